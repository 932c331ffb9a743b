"""What the reports ask of the plans in records, which may be of another version: ``fusemorph.fusion.plan`` answers."""

from fusemorph.fusion import plan as fusion
from fusemorph.fusion.plan import DEAD, FEEDS, STAGES, joint_stages, single_stages

__all__ = [
    "DEAD", "FEEDS", "NAMED_PLANS", "OPERATORS", "STAGES", "canonical", "is_plan", "joint_stages", "reads_single",
    "single_stages",
]  # fmt: skip

_FIRST = "jsgcdp"
OPERATORS = {
    symbol: fusion.vocabulary()[symbol].name
    for symbol in sorted(fusion.vocabulary(), key=lambda one: (_FIRST.find(one) % 99, one))
} | {DEAD: "dead"}
"""Operators by symbol, the paper's own first."""
_TITLES = {"autofuse": "AutoFuse"}
NAMED_PLANS = {fusion.canonical(plan): _TITLES.get(name, name) for name, plan in fusion.NAMED_PLANS.items()}
"""What the literature calls a canonical plan."""


def reads_single(symbol: str) -> bool:
    """Whether an operator reads the features of the fixed and the moving image."""
    return fusion.reads(symbol, "fixed")


def is_plan(text: object) -> bool:
    """Whether a text has a symbol for every stage, and an operator at every stage that is read."""
    if not isinstance(text, str) or len(text) != len(STAGES):
        return False
    try:
        fusion.canonical(text)
    except ValueError:
        return False
    return True


def canonical(plan: str) -> str:
    """The plan with every stage whose output nothing reads printed as dead; as it is where it is no plan."""
    return fusion.canonical(plan) if is_plan(plan) else plan
