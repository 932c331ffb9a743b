"""What the reports ask of the plans in records, which may be of another version: ``fusemorph.fusion.plan`` answers."""

from fusemorph.fusion import plan as fusion
from fusemorph.fusion.plan import (
    DEAD,
    FEEDS,
    SLASH,
    STAGES,
    decode_plan,
    is_coarse_to_fine,
    joint_stages,
    single_stages,
    stage_symbols,
)

__all__ = [
    "DEAD", "DEAD_NAME", "FEEDS", "NAMED_PLANS", "STAGES", "canonical", "decode_plan", "is_coarse_to_fine", "is_plan",
    "joint_stages", "operator_name", "operators_of", "reads_single", "single_stages", "stage_symbols",
]  # fmt: skip

DEAD_NAME = "dead"
NAMED_PLANS = {
    fusion.canonical(plan): {"autofuse": "AutoFuse"}.get(name, name) for name, plan in fusion.NAMED_PLANS.items()
}
"""What the literature, or this project, calls a canonical plan."""


def operator_name(symbol: str) -> str:
    """What an operator is called; one that is not known here by its symbol."""
    if symbol == DEAD:
        return DEAD_NAME
    card = fusion.vocabulary().get(symbol)
    return card.name if card else symbol


def operators_of(space: object) -> list[str]:
    """The operators that a search may choose, from its space's ``operators``, in their order; each once."""
    return list(dict.fromkeys(space.replace(SLASH, ""))) if isinstance(space, str) else []


def reads_single(symbol: str) -> bool:
    """Whether an operator reads the features of the fixed and the moving image."""
    return fusion.reads(symbol, "fixed")


def is_plan(text: object) -> bool:
    """Whether a text has a symbol for every stage, and an operator at every stage that is read."""
    if not isinstance(text, str) or len(stage_symbols(text)) != len(STAGES):
        return False
    if text != fusion.write_plan(stage_symbols(text), coarse_to_fine=is_coarse_to_fine(text)):
        return False
    try:
        fusion.canonical(text)
    except ValueError:
        return False
    return True


def canonical(plan: str) -> str:
    """The plan with every stage whose output nothing reads printed as dead; as it is where it is no plan."""
    return fusion.canonical(plan) if is_plan(plan) else plan
