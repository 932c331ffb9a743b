"""Fusion plans: which operator combines the two images at each of the seven stages.

A plan is a string of seven operator symbols, stage 1 first: ``jjjjjjj`` is early fusion, ``ggggggg`` AutoFuse. Stages 1
to 4 descend to 1/16 of the resolution, 5 to 7 climb back to 1/2. Many strings describe one network, because an operator
that does not read the joint path cuts off whatever only fed that path; ``canonical`` prints those dead stages as ``-``.

Nothing here imports torch, so a search space is counted without loading it.

Source: Meng et al. 2025, "AutoFuse", section 3.
"""

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fusemorph.catalogue import OPERATORS, Entry, entries, folders

STAGES = (1, 2, 3, 4, 5, 6, 7)
DEAD = "-"
FEATURES = ("joint", "fixed", "moving")
NAMED_PLANS = {"early": "jjjjjjj", "middle": "ssssjjj", "late": "sssssss", "autofuse": "ggggggg"}
_FEEDS = {1: (2, 7), 2: (3, 6), 3: (4, 5), 4: (5,), 5: (6,), 6: (7,), 7: ()}


@dataclass(frozen=True, kw_only=True)
class OperatorCard:
    """What a plan needs to know of an operator: its file, its letter and the features that it reads."""

    name: str
    symbol: str
    reads: frozenset[str]


def vocabulary() -> dict[str, OperatorCard]:
    """Operators by symbol: every entry of that kind, in the order of their names.

    Their ``SYMBOL`` and ``READS`` are parsed, not imported, because the files themselves need torch.

    Raises:
        ValueError: an operator's file without the two, with others than a stage has, or two of one symbol.
    """
    return _vocabulary(folders())


@cache
def _vocabulary(outside: tuple[Path, ...]) -> dict[str, OperatorCard]:
    cards: dict[str, OperatorCard] = {}
    for entry in entries(OPERATORS).values():
        card = _read_card(entry)
        if (other := cards.setdefault(card.symbol, card)) is not card:
            raise ValueError(f"{entry}: 'SYMBOL' must be a letter of its own, {card.symbol!r} is that of {other.name}")
    return cards


def _read_card(entry: Entry) -> OperatorCard:
    """What the operator's file declares.

    Raises:
        ValueError: it declares too little, or what no operator can have; the message names the file.
    """
    declared: dict[str, Any] = {"SYMBOL": None, "READS": ()}
    try:
        for node in ast.parse(entry.file.read_text(encoding="utf-8")).body:
            name = ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else ""
            if isinstance(node, ast.Assign) and name in declared:
                declared[name] = ast.literal_eval(node.value)
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{entry}: cannot be read: {type(error).__name__}: {error}") from error
    symbol, reads = declared["SYMBOL"], declared["READS"]
    if not isinstance(symbol, str) or len(symbol) != 1 or not symbol.isalpha():
        raise ValueError(f"{entry}: 'SYMBOL' must be one letter, got {symbol!r}")
    if not isinstance(reads, tuple) or not reads or set(reads) - set(FEATURES):
        raise ValueError(f"{entry}: 'READS' must be a tuple of one or more of {', '.join(FEATURES)}, got {reads!r}")
    return OperatorCard(name=entry.name, symbol=symbol, reads=frozenset(reads))


def parse_plan(text: str) -> str:
    """Canonical plan of a strategy's name (``early``, ``middle``, ``late``, ``autofuse``) or of seven symbols.

    Raises:
        ValueError: a name that is not known, a symbol that no operator has, or a plan that is not seven stages long.
    """
    plan = NAMED_PLANS.get(text.lower(), text)
    symbols = vocabulary()
    if len(plan) != len(STAGES):
        raise ValueError(
            f"parse_plan(): 'text' must be one of {', '.join(NAMED_PLANS)} or {len(STAGES)} symbols, "
            f"got {text!r} of length {len(text)}"
        )
    unknown = sorted(set(plan) - set(symbols) - {DEAD})
    if unknown:
        known = ", ".join(f"{card.symbol} ({card.name})" for card in symbols.values())
        raise ValueError(f"parse_plan(): unknown operator {', '.join(unknown)} in {text!r}; known: {known}")
    return canonical(plan)


@cache
def canonical(plan: str) -> str:
    """The plan with every stage whose output nothing reads printed as ``-``.

    Raises:
        ValueError: a stage printed dead is in truth read by a live one.
    """
    live = live_stages(plan)
    for stage in live:
        if plan[stage - 1] == DEAD:
            raise ValueError(f"canonical(): stage {stage} of {plan!r} is read by a live stage and needs an operator")
    return "".join(symbol if stage in live else DEAD for stage, symbol in zip(STAGES, plan, strict=True))


def live_stages(plan: str) -> frozenset[int]:
    """Stages whose output reaches the head, by a backward pass from stage 7 over next-stage and skip connections."""
    live: set[int] = set()
    for stage in reversed(STAGES):
        if stage == STAGES[-1] or any(target in live and _reads(plan, target, "joint") for target in _FEEDS[stage]):
            live.add(stage)
    return frozenset(live)


def single_stages(plan: str) -> frozenset[int]:
    """Stages that the single-image path must compute: those an operator reads, and what leads to them."""
    needed = {s for s in STAGES if plan[s - 1] != DEAD and _reads(plan, s, "fixed")}
    for stage in reversed(STAGES):
        if any(target in needed for target in _FEEDS[stage]):
            needed.add(stage)
    return frozenset(needed)


def joint_stages(plan: str) -> frozenset[int]:
    """Stages of the joint path that are computed: live ones whose operator reads the joint feature."""
    return frozenset(s for s in STAGES if plan[s - 1] != DEAD and _reads(plan, s, "joint"))


def enumerate_plans(symbols: str) -> tuple[str, ...]:
    """All distinct networks over the given operators, as sorted canonical plans."""
    plans = [DEAD * len(STAGES)]
    for stage in reversed(STAGES):
        plans = [plan for begun in plans for plan in _place_each(begun, stage, sorted(set(symbols)))]
    return tuple(sorted(plans))


def walk_plan(choose: Callable[[int], str]) -> str:
    """The canonical plan of a walk from stage 7 backwards that asks for the operator of each live stage, and no other.

    A stage's liveness depends on later stages alone, so every walk gives another network.
    """
    plan = DEAD * len(STAGES)
    for stage in reversed(STAGES):
        if _is_read(plan, stage):
            plan = _place(plan, stage, choose(stage))
    return plan


def _place_each(plan: str, stage: int, symbols: Sequence[str]) -> list[str]:
    return [_place(plan, stage, symbol) for symbol in symbols] if _is_read(plan, stage) else [plan]


def _place(plan: str, stage: int, symbol: str) -> str:
    return plan[: stage - 1] + symbol + plan[stage:]


def _is_read(plan: str, stage: int) -> bool:
    """Whether the head or a later stage of the plan reads a stage's output; later dead stages must be marked."""
    return stage == STAGES[-1] or any(_reads(plan, target, "joint") for target in _FEEDS[stage])


def _reads(plan: str, stage: int, feature: str) -> bool:
    symbol = plan[stage - 1]
    return symbol != DEAD and feature in vocabulary()[symbol].reads
