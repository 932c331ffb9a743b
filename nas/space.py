"""A search space: what of a method a search varies. Counted, enumerated and sampled without torch.

A point is written as ``Values``: the parameters that are active in it and their values. The operator of each stage is
the parameter ``plan.STAGE``, asked from stage 7 backwards and only where the stage is live, so that every point is a
network of its own.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from fusemorph.configuration import BUDGETS, Budget, Json, canonical_json
from fusemorph.fusion.plan import (
    DEAD,
    SLASH,
    STAGES,
    enumerate_plans,
    has_gate,
    is_coarse_to_fine,
    parse_plan,
    stage_choices,
    stage_symbols,
    vocabulary,
    walk_plan,
)
from nas.parameter import Choice, Parameter, Range, Value, Values

__all__ = ["Choice", "Parameter", "Range", "Space", "Value", "Values"]


@dataclass(frozen=True)
class Space:
    """Variations of a method: operators of its plan, and further parameters.

    ``base``: configuration of the method that is varied. ``operators``: symbols that each stage may take, as
    ``enumerate_plans`` reads them (``jsg`` decodes directly, ``jsg/jscm`` coarse to fine); none keeps the plan of
    ``base``. Names of ``parameters`` are places: ``gate.FIELD`` (active where a live stage is a gate),
    ``loss.FIELD``, ``budget.FIELD`` (a change of the budget), ``width`` (the published channels at that width), or a
    field of the method.
    """

    base: Json
    operators: str = ""
    parameters: tuple[Parameter, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "base", json.loads(canonical_json(self.base)))
        object.__setattr__(self, "parameters", tuple(self.parameters))
        _check_operators(self)
        names = [parameter.name for parameter in self.parameters]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"Space(): 'parameters' must have names of their own, got {', '.join(repeated)} twice")
        for parameter in self.parameters:
            _check_parameter(self, parameter)

    @cached_property
    def base_plan(self) -> str:
        """The plan of ``base``; empty for a method that has none."""
        return parse_plan(self.base.get("plan", "")) if _is_fusion(self.base) else ""

    @cached_property
    def _plans(self) -> tuple[str, ...]:
        return enumerate_plans(self.operators) if self.operators else (self.base_plan,)

    def plans(self) -> tuple[str, ...]:
        """The canonical plans of the space; one empty string for a method without a plan."""
        return self._plans

    def active(self, plan: str) -> tuple[Parameter, ...]:
        """The parameters, stages apart, that count for a plan."""
        return tuple(p for p in self.parameters if has_gate(plan) or not p.name.startswith("gate."))

    def every_parameter(self) -> tuple[Parameter, ...]:
        """Whatever a walk may ask, active or not, stages first."""
        stages = (self._stage(stage) for stage in reversed(STAGES)) if self.operators else ()
        return (*stages, *self.parameters)

    def _stage(self, stage: int) -> Choice:
        return Choice(f"plan.{stage}", tuple(stage_choices(self.operators)[stage]))

    def walk(self, choose: Callable[[Parameter], Value]) -> Values:
        """The point of a walk that asks for the value of each active parameter, and of no other.

        Raises:
            ValueError: a value that its parameter cannot take.
        """
        values: Values = {}

        def ask(parameter: Parameter) -> Value:
            values[parameter.name] = value = parameter.take(choose(parameter))
            return value

        plan = self._walk_plan(lambda stage: str(ask(self._stage(stage)))) if self.operators else self.base_plan
        for parameter in self.active(plan):
            ask(parameter)
        return values

    def _walk_plan(self, choose: Callable[[int], str]) -> str:
        return walk_plan(choose, coarse_to_fine=is_coarse_to_fine(self.operators))

    def fit(self, values: Mapping[str, Value]) -> Values:
        """The same point as a walk writes it.

        Raises:
            ValueError: it is no point of this space.
        """

        def find(parameter: Parameter) -> Value:
            if parameter.name not in values:
                raise ValueError(f"Space.fit(): 'values' must hold {parameter.name!r}, got {dict(values)}")
            return values[parameter.name]

        fitted = self.walk(find)
        if unknown := sorted(set(values) - set(fitted)):
            raise ValueError(f"Space.fit(): 'values' must hold active parameters alone, got {', '.join(unknown)} too")
        return fitted

    def size(self) -> int | None:
        """How many points there are, each a distinct configuration; None where a parameter is a range."""
        if any(isinstance(parameter, Range) for parameter in self.parameters):
            return None
        gated = sum(has_gate(plan) for plan in self._plans)
        always = [p for p in self.parameters if not p.name.startswith("gate.")]
        return sum(
            count * math.prod(len(parameter.values) for parameter in active if isinstance(parameter, Choice))
            for count, active in ((gated, self.parameters), (len(self._plans) - gated, always))
        )

    def points(self) -> Iterator[Values]:
        """Every point once.

        Raises:
            ValueError: a parameter is a range.
        """
        if ranges := [parameter.name for parameter in self.parameters if isinstance(parameter, Range)]:
            raise ValueError(f"Space.points(): a space with ranges cannot be listed, got {', '.join(ranges)}")
        return self._points()

    def _points(self) -> Iterator[Values]:
        for plan in self._plans:
            active = [parameter for parameter in self.active(plan) if isinstance(parameter, Choice)]
            for picked in product(*(parameter.values for parameter in active)):
                yield self._stages_of(plan) | dict(zip((p.name for p in active), picked, strict=True))

    def _stages_of(self, plan: str) -> Values:
        if not self.operators:
            return {}
        symbols = stage_symbols(plan)
        return {f"plan.{stage}": symbols[stage - 1] for stage in reversed(STAGES) if symbols[stage - 1] != DEAD}

    def sample(self, rng: np.random.Generator) -> Values:
        """A point whose plan is uniform over the canonical plans, and whose other values are uniform each."""
        plan = self._plans[int(rng.integers(len(self._plans)))]
        return self._stages_of(plan) | {parameter.name: parameter.draw(rng) for parameter in self.active(plan)}

    def configure(self, values: Mapping[str, Value]) -> tuple[Json, Json]:
        """The canonical configuration of a point's method, and what changes of the budget.

        Raises:
            ValueError: it is no point of this space, or the method refuses a value.
        """
        from fusemorph.fusion.fusion_network import published_channels
        from fusemorph.method import load_method  # imports torch, which counting a space does not need

        fitted = self.fit(values)
        method, changes = json.loads(canonical_json(self.base)), {}
        if self.operators:
            method["plan"] = self._walk_plan(lambda stage: str(fitted[f"plan.{stage}"]))
        for name in (name for name in fitted if not name.startswith("plan.")):
            value: Any = fitted[name]
            *folders, last = name.split(".")
            if folders == ["budget"]:
                changes[last] = value
            elif name == "width" and _is_fusion(self.base):
                backbone = method.get("backbone", "convolution")
                method["channels"] = published_channels(value, backbone=backbone)
            else:
                (method[folders[0]] if folders else method)[last] = value
        return load_method(method).configuration(), changes

    def check(self) -> None:
        """Configure a point with each value, and with both ends of each range.

        Raises:
            ValueError: the method or the budget refuses a value.
        """
        for parameter in self.parameters:
            for value in parameter.extremes():
                _, changes = self.configure(self._point_with(parameter.name, value))
                Budget(**(asdict(BUDGETS["smoke"]) | changes))

    def _point_with(self, name: str, value: Value) -> Values:
        """A point in which that parameter is active and has that value."""

        def choose(parameter: Parameter) -> Value:
            values = parameter.extremes()
            gates = (symbol for symbol in values if parameter.name.startswith("plan.") and has_gate(str(symbol)))
            return value if parameter.name == name else next(gates, values[0])

        return self.walk(choose)

    def as_json(self) -> Json:
        """The definition, for ``from_json``."""
        return json.loads(canonical_json(asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, definition: Json) -> "Space":
        """The space of a definition that ``as_json`` wrote."""
        parameters = tuple(
            Choice(**entry | {"values": tuple(entry["values"])}) if "values" in entry else Range(**entry)
            for entry in definition["parameters"]
        )
        return cls(definition["base"], definition["operators"], parameters)


def _is_fusion(base: Json) -> bool:
    return base.get("name") == "fusion"


def _check_operators(space: Space) -> None:
    symbols = vocabulary()
    before, slash, after = space.operators.partition(SLASH)
    if unknown := sorted(set(before + after) - set(symbols)):
        operators = ", ".join(f"{card.symbol} ({card.name})" for card in symbols.values())
        raise ValueError(f"Space(): unknown operator {', '.join(unknown)} in {space.operators!r}; known: {operators}")
    if any(len(set(part)) < len(part) for part in (before, after)) or (slash and not (before and after)):
        raise ValueError(
            "Space(): 'operators' must hold each symbol once, and some on either side of a slash, "
            f"got {space.operators!r}"
        )
    if space.operators and not _is_fusion(space.base):
        raise ValueError(f"Space(): 'operators' need the method fusion, got {space.base.get('name')!r}")


def _check_parameter(space: Space, parameter: Parameter) -> None:
    """Refuse a parameter that no method or budget reads, or that never counts, or whose values are of another type."""
    name = parameter.name
    if name.startswith("gate.") and not has_gate(space.operators or space.base_plan):
        raise ValueError(f"Space(): {name!r} is never active, for no plan of the space has a gate")
    present = _present_value(space.base, name)
    kinds = {type(value) for value in parameter.extremes() if value is not None}
    if present is not None and kinds - {type(present)}:
        got = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise ValueError(f"Space(): {name!r} takes {type(present).__name__} values, got {got}")


def _present_value(base: Json, name: str) -> Value:
    """The value at a parameter's place before the search, which tells the type of the others.

    Raises:
        ValueError: there is no such place, or it is none for a parameter.
    """
    *folders, last = name.split(".")
    place: Any = base
    if folders == ["budget"]:
        place = {field: value for field, value in asdict(BUDGETS["quick"]).items() if field != "width"}
    elif name == "width" and _is_fusion(base):
        return BUDGETS["quick"].width
    elif folders:
        place = base.get(folders[0]) if len(folders) == 1 else None
    scalars = {} if not isinstance(place, dict) else {k: v for k, v in place.items() if not isinstance(v, dict | list)}
    parameters = sorted(set(scalars) - {"name", "plan"})
    if last not in parameters:
        where = ".".join(folders) or f"the method {base.get('name')}"
        hint = "; stages vary by 'operators'" if name.split(".")[0] == "plan" else ""
        raise ValueError(f"Space(): {name!r} is no parameter of {where}; known there: {', '.join(parameters)}{hint}")
    return scalars[last]  # type: ignore[no-any-return]
