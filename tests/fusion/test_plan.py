"""Plans: reading, printing, liveness, counting."""

import subprocess
import sys
from itertools import product

import pytest

from fusemorph.fusion.plan import (
    NAMED_PLANS,
    canonical,
    decode_plan,
    enumerate_plans,
    joint_stages,
    live_stages,
    parse_plan,
    single_stages,
    vocabulary,
    walk_plan,
)


def test_named_plans_are_read_and_printed() -> None:
    printed = {name: parse_plan(name) for name in NAMED_PLANS}
    direct = {"early": "jjjjjjj", "middle": "ssssjjj", "late": "------s", "autofuse": "ggggggg"}
    coarse_to_fine = {
        "c2f-joint": "jjj/jjjj", "c2f-correlation": "---/cccc", "c2f-match": "sss/mmmm", "c2f-autofuse": "ggg/qqqq",
    }  # fmt: skip
    assert printed == direct | coarse_to_fine
    assert all(parse_plan(plan) == plan for plan in printed.values())


def test_single_at_the_last_stage_kills_the_joint_path() -> None:
    assert canonical("jgjgjgs") == "------s"
    assert joint_stages("------s") == frozenset()
    assert single_stages("------s") == frozenset(range(1, 8))


def test_a_skip_keeps_a_stage_alive_that_the_next_stage_does_not_read() -> None:
    # Stage 6 reads no joint feature, so 5, 4, 3 and 2 feed nothing, but 1 still feeds 7 by its skip.
    assert canonical("jjjjjsj") == "j----sj"
    assert live_stages("jjjjjsj") == frozenset({1, 6, 7})


def test_middle_needs_the_encoder_of_the_single_path_only() -> None:
    assert single_stages("ssssjjj") == frozenset({1, 2, 3, 4})
    assert joint_stages("ssssjjj") == frozenset({5, 6, 7})


def test_distinct_networks_over_joint_single_gate() -> None:
    plans = enumerate_plans("jsg")
    assert len(plans) == 691
    assert all(canonical(plan) == plan for plan in plans)


@pytest.mark.parametrize("symbols", ["j", "s", "jsg", "dsp"])
def test_plans_are_the_canonical_forms_of_all_strings(symbols: str) -> None:
    strings = ("".join(letters) for letters in product(symbols, repeat=7))
    assert enumerate_plans(symbols) == tuple(sorted({canonical(string) for string in strings}))


def test_a_symbol_given_twice_counts_once() -> None:
    assert enumerate_plans("jsj") == enumerate_plans("js")


@pytest.mark.parametrize("plan", ["jjjjjsj", "sssssss", "gjsgjjg"])
def test_a_walk_asks_for_the_live_stages_alone(plan: str) -> None:
    asked: list[int] = []

    def choose(stage: int) -> str:
        asked.append(stage)
        return plan[stage - 1]

    assert walk_plan(choose) == canonical(plan)
    assert asked == sorted(live_stages(plan), reverse=True)


def test_canonical_forms_are_closed_under_what_dead_stages_held() -> None:
    assert {canonical(f"{a}{b}{c}sjsj") for a in "jsg" for b in "jsg" for c in "jsg"} == {
        "j----sj",
        "s----sj",
        "g----sj",
    }


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ("jjj", "7 symbols"),
        ("jjjjjjjj", "length 8"),
        ("jjjxjjj", "unknown operator x"),
        ("-jjjjjj", "stage 1"),
    ],
)
def test_wrong_plans_are_refused_with_what_would_do(plan: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_plan(plan)


def test_plans_are_counted_without_torch() -> None:
    code = "import sys; from fusemorph.fusion import plan; plan.enumerate_plans('jg'); print('torch' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed == "False\n"


def test_symbols_are_distinct_letters() -> None:
    assert {card.name for card in vocabulary().values()} >= {
        "joint",
        "single",
        "gate",
        "sum",
        "difference",
        "correlation",
    }
    assert all(len(symbol) == 1 and symbol.isalpha() for symbol in vocabulary())


def test_stages_that_predict_are_always_live() -> None:
    assert canonical("jgj/ssss") == "---/ssss"
    assert live_stages("---/ssss") == frozenset({4, 5, 6, 7})
    assert canonical("jgj/sssj") == "j--/sssj"  # by the skip from 1 to 7
    assert canonical("jgj/jsss") == "jgj/jsss"
    assert single_stages("---/cccc") == frozenset(range(1, 8))
    assert joint_stages("jjj/cmcm") == frozenset({1, 2, 3, 5, 7})


@pytest.mark.parametrize("text", ["jj/jjjjj", "jjjj/jjj", "jjj/jjj", "jjj//jjjj", "/jjjjjjj", "jjj/jjjjj"])
def test_a_slash_in_another_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"parse_plan\(\): "):
        parse_plan(text)


def test_a_predicting_stage_cannot_be_dead() -> None:
    with pytest.raises(ValueError, match="stage 5 of 'jjj/j-jj' predicts and needs an operator"):
        parse_plan("jjj/j-jj")


def test_coarse_to_fine_plans_are_counted_as_they_are_walked() -> None:
    plans = enumerate_plans("jg/jcm")
    by_hand = {
        parse_plan("".join(first) + "/" + "".join(last))
        for first in product("jg", repeat=3)
        for last in product("jcm", repeat=4)
    }
    assert set(plans) == by_hand
    assert len(plans) == len(by_hand)
    assert walk_plan(lambda stage: "c", coarse_to_fine=True) == "---/cccc"


def test_decoding_thresholds() -> None:
    def decoded(plan: str, **weights: float) -> str:
        return decode_plan(plan, {7: weights})

    assert decoded("jjjjjjg", joint=0.3, single=0.7) == "------s"
    assert decoded("jjjjjjg", joint=0.69, single=0.31) == "jjjjjjg"
    assert decoded("jjjjjjg", joint=0.7, single=0.3) == "jjjjjjj"
    assert decoded("jjj/jjjq", joint=0.1, single=0.2, correlation=0.7) == "jjj/jjjc"
    assert decoded("jjj/jjjq", joint=0.3, single=0.3, correlation=0.4) == "jjj/jjjq"
    assert decode_plan("ggggggg", {}) == "ggggggg"
    assert decoded("jjjjjjj", single=0.9) == "jjjjjjj"
