"""Search spaces: counting, listing, sampling, and the configurations of their points."""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats

from fusemorph.configuration import canonical_json
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.method import Fusion
from fusemorph.fusion.operator import GateSettings
from fusemorph.fusion.plan import canonical, vocabulary
from fusemorph.losses.training_loss import TrainingLoss
from fusemorph.method import load_method
from nas.space import Choice, Parameter, Range, Space, Value, Values
from nas.spaces import full, gate, placement

BASE = Fusion().configuration()
TEMPERATURE = Choice("gate.temperature", (0.5, 1.0))
HARD = Choice("gate.hard", (False, True))
WINDOW = Choice("loss.window", (5, 7, 9))
RATE = Range("budget.learning_rate", 1e-4, 1e-2, log=True)
SMALL = {
    "gates with a setting": Space(BASE, "jg", (TEMPERATURE,)),
    "gates with a setting and a field": Space(BASE, "sg", (HARD, Choice("refine", (False, True)))),
    "no gate": Space(BASE, "cs", (WINDOW,)),
    "one gated plan": Space(BASE, "", (TEMPERATURE, HARD, WINDOW)),
    "one plan without gate": Space(Fusion(plan="late").configuration(), "", (Choice("width", (4, 8)), WINDOW)),
    "one point": Space(BASE),
}


def configurations_by_force(space: Space) -> set[str]:
    """Configurations of all strings of operators with all values of all parameters, active or not."""
    strings: Iterable[Sequence[str]] = product(space.operators, repeat=7) if space.operators else [space.base_plan]
    found = set()
    choices = product(*(p.values for p in space.parameters if isinstance(p, Choice)))
    for letters, values in product(strings, choices):
        method: dict[str, Any] = json.loads(canonical_json(space.base)) | {"plan": "".join(letters)}
        for parameter, value in zip(space.parameters, values, strict=True):
            place, _, field = parameter.name.rpartition(".")
            if parameter.name == "width":
                method["channels"] = published_channels(int(str(value)))
            else:
                (method[place] if place else method)[field] = value
        found.add(canonical_json(load_method(method).configuration()))
    return found


@pytest.mark.parametrize("space", SMALL.values(), ids=SMALL)
def test_points_are_the_distinct_configurations_and_size_counts_them(space: Space) -> None:
    points = list(space.points())
    configured = {canonical_json(space.configure(point)[0]) for point in points}
    assert configured == configurations_by_force(space)
    assert space.size() == len(points) == len(configured)


@pytest.mark.parametrize(("operators", "count"), [("jsg", 691), ("jsgd", 2194), ("jsgp", 7069), ("jsgdpc", 36021)])
def test_distinct_plans(operators: str, count: int) -> None:
    assert set(operators) <= set(vocabulary())
    space = placement(BASE, operators)
    assert space.size() == len(set(space.plans())) == count


def test_a_gate_multiplies_only_the_plans_that_have_one() -> None:
    gated = sum("g" in plan for plan in placement(BASE).plans())
    assert Space(BASE, "jsg", (TEMPERATURE, HARD, WINDOW)).size() == 3 * (4 * gated + 691 - gated)


def test_a_space_is_counted_listed_and_sampled_without_torch() -> None:
    code = (
        "import sys; from nas.space import Choice, Space; import numpy; "
        "base = {'name': 'fusion', 'plan': 'ggggggg', 'gate': {'temperature': 1.0}}; "
        "space = Space(base, 'jsg', (Choice('gate.temperature', (0.5, 1.0)),)); "
        "next(space.points()); space.sample(numpy.random.default_rng(0)); print(space.size(), 'torch' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed.split()[1] == "False"
    assert int(printed.split()[0]) > 691


def p_value_of_uniform_plans(points: list[Values], space: Space) -> float:
    drawn = [space.configure(point)[0]["plan"] for point in points]
    return float(stats.chisquare([drawn.count(plan) for plan in space.plans()]).pvalue)


def test_samples_are_uniform_over_canonical_plans() -> None:
    space, rng = Space(BASE, "js", (WINDOW,)), np.random.default_rng(0)
    points = [space.sample(rng) for _ in range(20 * len(space.plans()))]
    assert p_value_of_uniform_plans(points, space) > 0.01
    windows = [point["loss.window"] for point in points]
    assert stats.chisquare([windows.count(window) for window in WINDOW.values]).pvalue > 0.01
    by_stage = [space.walk(lambda parameter: parameter.draw(rng)) for _ in points]
    assert p_value_of_uniform_plans(by_stage, space) < 1e-6


def test_ranges_are_sampled_uniformly_on_their_scale() -> None:
    rng = np.random.default_rng(0)
    linear = [Range("x", 2.0, 3.0).draw(rng) for _ in range(500)]
    assert stats.kstest(np.array(linear, dtype=float), stats.uniform(2, 1).cdf).pvalue > 0.01
    log = [Range("x", 1e-3, 1e-1, log=True).draw(rng) for _ in range(500)]
    assert stats.kstest(np.array(log, dtype=float), stats.loguniform(1e-3, 1e-1).cdf).pvalue > 0.01


def test_a_walk_asks_for_live_stages_then_active_parameters() -> None:
    space = Space(BASE, "jsg", (WINDOW, TEMPERATURE))
    asked: list[str] = []

    def choose(plan: str, parameter: Parameter) -> Value:
        asked.append(parameter.name)
        return plan[int(parameter.name[5:]) - 1] if parameter.name.startswith("plan.") else parameter.extremes()[0]

    point = space.walk(lambda parameter: choose("jjjjjsj", parameter))
    assert point == {"plan.7": "j", "plan.6": "s", "plan.1": "j", "loss.window": 5}
    assert asked == list(point)
    gated = space.walk(lambda parameter: choose("gggjjsg", parameter))
    assert gated == {"plan.7": "g", "plan.6": "s", "plan.1": "g", "loss.window": 5, "gate.temperature": 0.5}


def test_listed_and_sampled_points_are_written_as_a_walk_writes_them() -> None:
    space = Space(BASE, "sg", (WINDOW, HARD))
    rng = np.random.default_rng(0)
    for point in (*space.points(), *(space.sample(rng) for _ in range(50))):
        assert list(space.fit(point).items()) == list(point.items())


def test_a_point_is_configured_at_its_places() -> None:
    space = Space(BASE, "jsg", (TEMPERATURE, Choice("width", (4, 8)), WINDOW, Choice("refine", (False,)), RATE))
    values: Values = {"plan.7": "g", "plan.6": "s", "plan.1": "j"}
    method, changes = space.configure(
        values | {"gate.temperature": 0.5, "width": 4, "loss.window": 5, "refine": False, "budget.learning_rate": 1e-3}
    )
    assert load_method(method) == Fusion(
        plan="j----sg",
        channels=published_channels(4),
        refine=False,
        gate=GateSettings(temperature=0.5),
        loss=TrainingLoss(window=5),
    )
    assert changes == {"learning_rate": 1e-3}
    assert canonical(method["plan"]) == method["plan"]


def test_the_base_is_neither_changed_by_points_nor_from_outside() -> None:
    base = Fusion().configuration()
    space = Space(base, "", (TEMPERATURE,))
    space.configure({"gate.temperature": 0.5})
    base["gate"]["temperature"] = 3.0
    assert space.base == BASE


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"plan.7": "j", "loss.window": 5}, "must hold 'plan.6'"),
        ({"plan.7": "s", "plan.1": "j", "loss.window": 5}, "plan.1 too"),
        ({"plan.7": "s", "gate.temperature": 0.5, "loss.window": 5}, "gate.temperature too"),
        ({"plan.7": "c", "loss.window": 5}, "must be one of"),
        ({"plan.7": "s", "loss.window": 6}, "must be one of"),
    ],
)
def test_what_is_no_point_is_refused(values: Values, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Space(BASE, "jsg", (TEMPERATURE, WINDOW)).configure(values)


def test_numbers_out_of_range_are_refused() -> None:
    for value in (1.0, "1e-3", True, None):
        with pytest.raises(ValueError, match="must be in"):
            Space(BASE, "", (RATE,)).fit({"budget.learning_rate": value})


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (lambda: Choice("refine", ()), "must not be empty"),
        (lambda: Choice("refine", (True, 1)), "must differ"),
        (lambda: Choice("gate.temperature", (float("nan"),)), "finite JSON scalars"),
        (lambda: Range("loss.kl_weight", 2.0, 1.0), "must be below"),
        (lambda: Range("loss.kl_weight", 1.0, 1.0), "must be below"),
        (lambda: Range("loss.kl_weight", 0.0, 1.0, log=True), "positive on a log scale"),
        (lambda: Space(BASE, "jx"), r"unknown operator x in 'jx'; known: .*j \(joint\)"),
        (lambda: Space(BASE, "jj"), "each symbol once"),
        (lambda: Space({"name": "identity"}, "j"), "need the method fusion"),
        (lambda: Space(BASE, "", (WINDOW, WINDOW)), "loss.window twice"),
        (lambda: Space(BASE, "", (Choice("depth", (1,)),)), "'depth' is no parameter of the method fusion.*refine"),
        (lambda: Space(BASE, "", (Choice("gate.colour", (1,)),)), "no parameter of gate.*temperature"),
        (lambda: Space(BASE, "", (Choice("loss.colour", (1,)),)), "no parameter of loss.*window"),
        (lambda: Space(BASE, "", (Choice("budget.colour", (1,)),)), "no parameter of budget.*learning_rate"),
        (lambda: Space(BASE, "", (Choice("budget.width", (4,)),)), "no parameter of budget"),
        (lambda: Space(BASE, "", (Choice("plan.7", ("j",)),)), "vary by 'operators'"),
        (lambda: Space(BASE, "", (Choice("plan", ("early",)),)), "vary by 'operators'"),
        (lambda: Space(BASE, "", (Choice("channels", ("many",)),)), "no parameter of the method"),
        (lambda: Space(BASE, "js", (TEMPERATURE,)), "never active"),
        (lambda: Space(Fusion(plan="early").configuration(), "", (TEMPERATURE,)), "never active"),
        (lambda: Space(BASE, "", (Range("loss.window", 5, 9),)), "takes int values, got float"),
        (lambda: Space(BASE, "", (Choice("gate.temperature", (1, 2)),)), "takes float values, got int"),
    ],
)
def test_wrong_definitions_are_refused(space: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        space()


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        (Choice("loss.window", (9, 4)), "'window' must be odd"),
        (Range("gate.temperature", -1.0, 1.0), "'temperature' must be positive"),
        (Choice("width", (4, 0)), "must be even and positive"),
        (Choice("budget.steps", (100, 0)), "'steps' must be positive"),
    ],
)
def test_values_that_method_or_budget_refuse_are_found_before_the_search(parameter: Parameter, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Space(BASE, "jsg", (parameter,)).check()


def test_a_space_with_ranges_has_no_size_and_no_list() -> None:
    space = Space(BASE, "jsg", (RATE,))
    assert space.size() is None
    with pytest.raises(ValueError, match=r"budget\.learning_rate"):
        space.points()


def test_named_spaces_serve() -> None:
    sizes = [space.size() for space in (placement(BASE), gate(BASE), full(BASE))]
    assert sizes == [691, 4 * 2 * 3 * 4 * 2, None]
    for space in (placement(BASE), gate(BASE), full(BASE), full(BASE, "js")):
        space.check()
    with pytest.raises(ValueError, match="never active"):
        gate(Fusion(plan="early").configuration())
