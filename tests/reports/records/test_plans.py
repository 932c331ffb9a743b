"""What the reports know of plans is what the networks do."""

from itertools import product

from fusemorph.fusion import plan as networks
from reports.records import plans


def test_operators_read_what_the_networks_read() -> None:
    cards = networks.vocabulary()
    assert {symbol: card.name for symbol, card in cards.items()} == {
        symbol: name for symbol, name in plans.OPERATORS.items() if symbol != plans.DEAD
    }
    for symbol, card in cards.items():
        assert plans.reads_joint(symbol) == ("joint" in card.reads)
        assert plans.reads_single(symbol) == ("fixed" in card.reads)


def test_live_stages_and_computed_paths_are_those_of_the_networks() -> None:
    written = ["".join(symbols) for symbols in product("jsg", repeat=7)] + ["cdpjgsc", "pppdddp", "jjjjccc"]
    for plan in written:
        canonical = networks.canonical(plan)
        assert plans.canonical(plan) == canonical
        assert plans.joint_stages(canonical) == networks.joint_stages(canonical)
        assert plans.single_stages(canonical) == networks.single_stages(canonical)


def test_named_plans_are_canonical() -> None:
    assert {plan: name.lower() for plan, name in plans.NAMED_PLANS.items()} == {
        networks.canonical(plan): name for name, plan in networks.NAMED_PLANS.items()
    }


def test_an_operator_that_is_not_known_reads_everything() -> None:
    assert plans.reads_joint("x")
    assert plans.reads_single("x")
    assert plans.canonical("xsjjjjx") == "xsjjjjx"
