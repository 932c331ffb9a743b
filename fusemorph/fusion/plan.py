"""Fusion plans: which operator combines the two images at each of the seven stages, and how the network decodes.

A plan is a string of seven operator symbols, stage 1 first: ``jjjjjjj`` is early fusion, ``ggggggg`` AutoFuse. Stages 1
to 4 descend to 1/16 of the resolution, 5 to 7 climb back to 1/2. Many strings describe one network, because an operator
that does not read the joint path cuts off whatever only fed that path; ``canonical`` prints those dead stages as ``-``.

Decoding is direct, as in AutoFuse: the velocity is predicted once, after stage 7. A slash after stage 3 makes it coarse
to fine: in ``sss/mmmm`` each of the stages 4 to 7 predicts a residual velocity, and sees the moving image warped by the
velocity so far. Those stages are always live.

Nothing here imports torch, so a search space is counted without loading it.

Source: Meng et al. 2025, "AutoFuse", section 3.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fusemorph.catalogue import OPERATORS, Entry, entries, folders

STAGES = (1, 2, 3, 4, 5, 6, 7)
DEAD = "-"
FEATURES = ("joint", "fixed", "moving")
SLASH = "/"
PREDICTING = (4, 5, 6, 7)
"""Stages that predict a residual velocity where decoding is coarse to fine."""

NAMED_PLANS = {
    "early": "jjjjjjj",
    "middle": "ssssjjj",
    "late": "sssssss",
    "autofuse": "ggggggg",
    "c2f-joint": "jjj/jjjj",
    "c2f-correlation": "ccc/cccc",
    "c2f-match": "sss/mmmm",
    "c2f-autofuse": "ggg/qqqq",
}
FEEDS = {1: (2, 7), 2: (3, 6), 3: (4, 5), 4: (5,), 5: (6,), 6: (7,), 7: ()}
"""Which stages read each stage's output: the next one, and the one across the U-Net."""


@dataclass(frozen=True, kw_only=True)
class OperatorCard:
    """What a plan needs to know of an operator: its file, its letter, the features that it reads, and the candidates
    that it weighs if it is a gate."""

    name: str
    symbol: str
    reads: frozenset[str]
    weighs: tuple[str, ...] = ()


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
    declared: dict[str, Any] = {"SYMBOL": None, "READS": (), "WEIGHS": ()}
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
    return OperatorCard(name=entry.name, symbol=symbol, reads=frozenset(reads), weighs=tuple(declared["WEIGHS"]))


def is_coarse_to_fine(plan: str) -> bool:
    """Whether the stages 4 to 7 of the plan each predict a residual velocity."""
    return SLASH in plan


def stage_symbols(plan: str) -> str:
    """The seven symbols of a plan, stage 1 first, without the slash of coarse-to-fine decoding."""
    return plan.replace(SLASH, "")


def write_plan(symbols: str, *, coarse_to_fine: bool) -> str:
    """The text of a plan from its seven symbols and its decoding."""
    before = PREDICTING[0] - 1
    return f"{symbols[:before]}{SLASH}{symbols[before:]}" if coarse_to_fine else symbols


def gated_stages(plan: str) -> dict[int, OperatorCard]:
    """The live stages whose operator weighs candidates, with that operator."""
    cards = vocabulary()
    by_stage = {stage: cards.get(symbol) for stage, symbol in zip(STAGES, stage_symbols(plan), strict=True)}
    return {stage: card for stage, card in by_stage.items() if card is not None and card.weighs}


def has_gate(symbols: str) -> bool:
    """Whether one of the symbols is of an operator that weighs candidates."""
    return any(card.weighs for symbol, card in vocabulary().items() if symbol in symbols)


def parse_plan(text: str) -> str:
    """Canonical plan of a strategy's name (``early``, ``c2f-match`` ...) or of seven symbols, which a slash after the
    third makes coarse to fine.

    Raises:
        ValueError: a name that is not known, a symbol that no operator has, a plan that is not seven stages long, or a
            slash in another place.
    """
    plan = NAMED_PLANS.get(text.lower(), text)
    operators, symbols = vocabulary(), stage_symbols(plan)
    if len(symbols) != len(STAGES):
        raise ValueError(
            f"parse_plan(): 'text' must be one of {', '.join(NAMED_PLANS)} or {len(STAGES)} symbols, "
            f"got {text!r} of length {len(symbols)}"
        )
    unknown = sorted(set(symbols) - set(operators) - {DEAD})
    if unknown:
        listed = ", ".join(f"{card.symbol} ({card.name})" for card in operators.values())
        raise ValueError(f"parse_plan(): unknown operator {', '.join(unknown)} in {text!r}; known: {listed}")
    if plan != write_plan(symbols, coarse_to_fine=is_coarse_to_fine(plan)):
        raise ValueError(
            f"parse_plan(): the slash of coarse-to-fine decoding stands after stage {PREDICTING[0] - 1}, as in "
            f"sss/mmmm, got {text!r}"
        )
    return canonical(plan)


@cache
def canonical(plan: str) -> str:
    """The plan with every stage whose output nothing reads printed as ``-``.

    Raises:
        ValueError: a stage printed dead is in truth read by a live one, or predicts.
    """
    live, symbols = live_stages(plan), stage_symbols(plan)
    for stage in live:
        if symbols[stage - 1] == DEAD:
            does = "predicts" if stage in _predicting(plan) else "is read by a live stage"
            raise ValueError(f"canonical(): stage {stage} of {plan!r} {does} and needs an operator")
    kept = "".join(symbol if stage in live else DEAD for stage, symbol in zip(STAGES, symbols, strict=True))
    return write_plan(kept, coarse_to_fine=is_coarse_to_fine(plan))


def _predicting(plan: str) -> tuple[int, ...]:
    return PREDICTING if is_coarse_to_fine(plan) else STAGES[-1:]


def live_stages(plan: str) -> frozenset[int]:
    """Stages whose output reaches a velocity, by a backward pass over next-stage and skip connections from those that
    predict one: stage 7, or each of 4 to 7 where decoding is coarse to fine."""
    live: set[int] = set()
    for stage in reversed(STAGES):
        if stage in _predicting(plan) or any(t in live and _reads(plan, t, "joint") for t in FEEDS[stage]):
            live.add(stage)
    return frozenset(live)


def single_stages(plan: str) -> frozenset[int]:
    """Stages that the single-image path must compute: those an operator reads, and what leads to them."""
    needed = {stage for stage in STAGES if _reads(plan, stage, "fixed")}
    for stage in reversed(STAGES):
        if any(target in needed for target in FEEDS[stage]):
            needed.add(stage)
    return frozenset(needed)


def joint_stages(plan: str) -> frozenset[int]:
    """Stages of the joint path that are computed: live ones whose operator reads the joint feature."""
    return frozenset(stage for stage in STAGES if _reads(plan, stage, "joint"))


def stage_choices(symbols: str) -> dict[int, str]:
    """The operators that each stage may take: ``jsg`` everywhere, or before and after the slash of ``jsg/jscm``."""
    before, slash, after = symbols.partition(SLASH)
    return {stage: after if slash and stage in PREDICTING else before for stage in STAGES}


def enumerate_plans(symbols: str) -> tuple[str, ...]:
    """All distinct networks over the given operators, as sorted canonical plans.

    ``jsg`` gives the direct plans over these operators, ``jsg/jscm`` the coarse-to-fine ones with the first at stages 1
    to 3 and the others at stages 4 to 7.
    """
    plans, choices = [_unwritten(is_coarse_to_fine(symbols))], stage_choices(symbols)
    for stage in reversed(STAGES):
        plans = [plan for begun in plans for plan in _place_each(begun, stage, sorted(set(choices[stage])))]
    return tuple(sorted(plans))


def walk_plan(choose: Callable[[int], str], *, coarse_to_fine: bool = False) -> str:
    """The canonical plan of a walk from stage 7 backwards that asks for the operator of each live stage, and no other.

    A stage's liveness depends on later stages alone, so every walk gives another network.
    """
    plan = _unwritten(coarse_to_fine)
    for stage in reversed(STAGES):
        if _is_read(plan, stage):
            plan = _place(plan, stage, choose(stage))
    return plan


def decode_plan(plan: str, weights: Mapping[int, Mapping[str, float]], *, low: float = 0.3, high: float = 0.7) -> str:
    """The canonical plan that a trained plan amounts to: each gate becomes the candidate whose mean weight is ``high``
    or more, and stays a gate where there is none.

    ``weights``: mean weight by stage and candidate. Where a gate has two candidates, one at ``low`` or less decides for
    the other. A stage without weights stays as it is.
    """
    symbols, named = list(stage_symbols(plan)), {card.name: card.symbol for card in vocabulary().values()}
    for stage, card in gated_stages(plan).items():
        means = {name: weights.get(stage, {}).get(name, 0.5) for name in card.weighs}
        chosen = [name for name, mean in means.items() if mean >= high]
        if not chosen and len(means) == 2:
            chosen = [name for name in means for other, mean in means.items() if other != name and mean <= low]
        if chosen:
            symbols[stage - 1] = named[max(chosen, key=lambda name: means[name])]
    return canonical(write_plan("".join(symbols), coarse_to_fine=is_coarse_to_fine(plan)))


def _unwritten(coarse_to_fine: bool) -> str:
    return write_plan(DEAD * len(STAGES), coarse_to_fine=coarse_to_fine)


def _place_each(plan: str, stage: int, symbols: Sequence[str]) -> list[str]:
    return [_place(plan, stage, symbol) for symbol in symbols] if _is_read(plan, stage) else [plan]


def _place(plan: str, stage: int, symbol: str) -> str:
    symbols = stage_symbols(plan)
    return write_plan(symbols[: stage - 1] + symbol + symbols[stage:], coarse_to_fine=is_coarse_to_fine(plan))


def _is_read(plan: str, stage: int) -> bool:
    """Whether a velocity or a later stage of the plan reads a stage's output; later dead stages must be marked."""
    return stage in _predicting(plan) or any(_reads(plan, target, "joint") for target in FEEDS[stage])


def reads(symbol: str, feature: str) -> bool:
    """Whether an operator reads the ``joint``, ``fixed`` or ``moving`` feature.

    One that is not known here is taken to read everything, so that records of another version can be reported.
    """
    card = vocabulary().get(symbol)
    return symbol != DEAD and (card is None or feature in card.reads)


def _reads(plan: str, stage: int, feature: str) -> bool:
    return reads(stage_symbols(plan)[stage - 1], feature)
