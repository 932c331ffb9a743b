"""What the reports know of plans is what the networks do, and records of another version do no harm."""

import pytest

from fusemorph.fusion import plan as networks
from reports.records import plans


def test_every_operator_of_the_networks_has_a_name() -> None:
    assert {plans.operator_name(symbol) for symbol in networks.vocabulary()} == {
        card.name for card in networks.vocabulary().values()
    }
    assert plans.operator_name("j") == "joint"
    assert (plans.operator_name("x"), plans.operator_name(plans.DEAD)) == ("x", "dead")


def test_named_plans_are_canonical() -> None:
    assert {plan: name.lower() for plan, name in plans.NAMED_PLANS.items()} == {
        networks.canonical(plan): name for name, plan in networks.NAMED_PLANS.items()
    }


def test_an_operator_that_is_not_known_reads_everything() -> None:
    assert networks.reads("x", "joint")
    assert plans.reads_single("x")
    assert plans.canonical("xsjjjjx") == "xsjjjjx"


@pytest.mark.parametrize("text", [None, 7, ["j"] * 7, "jjj", "------j", "jjjjjjjj", "ss/smmmm", "sss/mmm-"])
def test_what_is_no_plan_is_left_as_it_is(text: object) -> None:
    """Stage 6 feeds stage 7, which reads the joint feature: it cannot be dead."""
    assert not plans.is_plan(text)
    if isinstance(text, str):
        assert plans.canonical(text) == text


def test_a_coarse_to_fine_plan_is_one() -> None:
    assert plans.is_plan("sss/mmmm")
    assert plans.NAMED_PLANS["sss/mmmm"] == "c2f-match"
    assert plans.operators_of("jsg/jscm") == ["j", "s", "g", "c", "m"]
