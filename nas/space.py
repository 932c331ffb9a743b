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
from fusemorph.fusion.plan import has_gate, parse_plan
from nas.parameter import Choice, Parameter, Range, Value, Values
from nas.stages import Stages

__all__ = ["Choice", "Parameter", "Range", "Space", "Value", "Values"]


@dataclass(frozen=True)
class Space:
    """Variations of a method: operators of its plan, and further parameters.

    ``base``: configuration of the method that is varied. ``operators``: symbols that each stage may take, as
    ``enumerate_plans`` reads them (``jsg`` decodes directly, ``jsg/jscm`` coarse to fine); none keeps the plan of
    ``base``. Names of ``parameters`` are places: ``gate.FIELD`` (active where a live stage is a gate),
    ``loss.FIELD``, ``budget.FIELD`` (a change of the budget), ``width`` (the published channels at that width), or a
    field of the method. ``tied``: groups of stages that take one operator together, as ``Stages`` has them.
    """

    base: Json
    operators: str = ""
    parameters: tuple[Parameter, ...] = ()
    tied: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "base", json.loads(canonical_json(self.base)))
        object.__setattr__(self, "parameters", tuple(self.parameters))
        object.__setattr__(self, "tied", tuple(tuple(group) for group in self.tied))
        if self.stages.operators and not _is_fusion(self.base):
            raise ValueError(f"Space(): 'operators' need the method fusion, got {self.base.get('name')!r}")
        names = [parameter.name for parameter in self.parameters]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"Space(): 'parameters' must have names of their own, got {', '.join(repeated)} twice")
        for parameter in self.parameters:
            _check_parameter(self, parameter)

    @cached_property
    def stages(self) -> Stages:
        """The operators that stages may take."""
        return Stages(self.operators, self.tied)

    @cached_property
    def base_plan(self) -> str:
        """The plan of ``base``; empty for a method that has none."""
        return parse_plan(self.base.get("plan", "")) if _is_fusion(self.base) else ""

    @cached_property
    def _plans(self) -> tuple[str, ...]:
        return self.stages.plans if self.operators else (self.base_plan,)

    def plans(self) -> tuple[str, ...]:
        """The canonical plans of the space; one empty string for a method without a plan."""
        return self._plans

    def active(self, plan: str) -> tuple[Parameter, ...]:
        """The parameters, stages apart, that count for a plan."""
        return tuple(p for p in self.parameters if has_gate(plan) or not p.name.startswith("gate."))

    def every_parameter(self) -> tuple[Parameter, ...]:
        """Whatever a walk may ask, active or not, stages first."""
        stages = map(self.stages.choice, self.stages.asked) if self.operators else ()
        return (*stages, *self.parameters)

    def walk(self, choose: Callable[[Parameter], Value]) -> Values:
        """The point of a walk that asks for the value of each active parameter, and of no other.

        Raises:
            ValueError: a value that its parameter cannot take.
        """
        values: Values = {}

        def ask(parameter: Parameter) -> Value:
            values[parameter.name] = value = parameter.take(choose(parameter))
            return value

        plan = self.stages.walk(lambda stage: str(ask(self.stages.choice(stage)))) if self.operators else self.base_plan
        for parameter in self.active(plan):
            ask(parameter)
        return values

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
        return self.stages.values_of(plan) if self.operators else {}

    def point_of(self, plan: str) -> Values:
        """The point of a canonical plan, where plans are all that the space varies.

        Raises:
            ValueError: it is no plan of the space.
        """
        if plan not in self._plans or self.parameters:
            raise ValueError(f"Space.point_of(): 'plan' must be one of a space of plans alone, got {plan!r}")
        return self._stages_of(plan)

    def sample(self, rng: np.random.Generator) -> Values:
        """A point whose plan is uniform over the canonical plans, and whose other values are uniform each."""
        plan = self._plans[int(rng.integers(len(self._plans)))]
        return self._stages_of(plan) | {parameter.name: parameter.draw(rng) for parameter in self.active(plan)}

    def plan_of(self, values: Mapping[str, Value]) -> str:
        """The canonical plan of a point."""
        return self.stages.walk(lambda stage: str(values[f"plan.{stage}"])) if self.operators else self.base_plan

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
            method["plan"] = self.plan_of(fitted)
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
        """The definition as it stands in the entry of a search."""
        written: Json = json.loads(canonical_json(asdict(self)))
        return written if self.tied else {name: value for name, value in written.items() if name != "tied"}


def _is_fusion(base: Json) -> bool:
    return base.get("name") == "fusion"


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
