"""The stages of a plan as a search asks for them: what each may take, and which take one operator together."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product

from fusemorph.fusion.plan import (
    DEAD,
    SLASH,
    STAGES,
    enumerate_plans,
    is_coarse_to_fine,
    stage_choices,
    stage_symbols,
    vocabulary,
    walk_plan,
)
from nas.parameter import Choice, Values


@dataclass(frozen=True)
class Stages:
    """Operators that each stage may take, as ``enumerate_plans`` reads them, and groups of stages that are ``tied``.

    Stages are asked for from 7 backwards and only where they are live; of tied ones the last, for all of them.
    """

    operators: str
    tied: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        symbols = vocabulary()
        before, slash, after = self.operators.partition(SLASH)
        if unknown := sorted(set(before + after) - set(symbols)):
            operators = ", ".join(f"{card.symbol} ({card.name})" for card in symbols.values())
            raise ValueError(
                f"Space(): unknown operator {', '.join(unknown)} in {self.operators!r}; known: {operators}"
            )
        if any(len(set(part)) < len(part) for part in (before, after)) or (slash and not (before and after)):
            raise ValueError(
                "Space(): 'operators' must hold each symbol once, and some on either side of a slash, "
                f"got {self.operators!r}"
            )
        together, choices = [stage for group in self.tied for stage in group], stage_choices(self.operators)
        if len(set(together)) < len(together) or set(together) - set(STAGES):
            raise ValueError(f"Space(): 'tied' must hold stages 1 to 7, each once at the most, got {self.tied}")
        if any(choices[stage] != choices[group[0]] for group in self.tied for stage in group):
            raise ValueError(f"Space(): 'tied' must join stages that may take the same operators, got {self.tied}")

    @cached_property
    def asked(self) -> tuple[int, ...]:
        """The stages that a walk may ask for, in its order."""
        return tuple(stage for stage in reversed(STAGES) if self._last_of(stage) == stage)

    def choice(self, stage: int) -> Choice:
        """The parameter of a stage."""
        return Choice(f"plan.{stage}", tuple(stage_choices(self.operators)[stage]))

    @cached_property
    def plans(self) -> tuple[str, ...]:
        """Every plan once, sorted."""
        if not self.tied:
            return enumerate_plans(self.operators)
        picked = product(*(stage_choices(self.operators)[stage] for stage in self.asked))
        return tuple(sorted({self.walk(dict(zip(self.asked, each, strict=True)).__getitem__) for each in picked}))

    def walk(self, choose: Callable[[int], str]) -> str:
        """The canonical plan of a walk that asks for each live stage, and once for those that are tied."""
        chosen = cache(choose)
        return walk_plan(lambda stage: chosen(self._last_of(stage)), coarse_to_fine=is_coarse_to_fine(self.operators))

    def values_of(self, plan: str) -> Values:
        """What a walk that ends in that plan has asked for."""
        live = {stage: symbol for stage, symbol in zip(STAGES, stage_symbols(plan), strict=True) if symbol != DEAD}
        return {f"plan.{self._last_of(stage)}": live[stage] for stage in sorted(live, reverse=True)}

    def _last_of(self, stage: int) -> int:
        return max(next((group for group in self.tied if stage in group), (stage,)))
