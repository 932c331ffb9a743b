"""Spaces whose stages are tied: every plan once, and a point of its own."""

import numpy as np
import pytest

from fusemorph.fusion.method import Fusion
from fusemorph.fusion.plan import STAGES, canonical, enumerate_plans, stage_symbols
from nas.searcher import point_key
from nas.space import Space
from nas.spaces import SPACES, tiny

BASE = Fusion().configuration()


def test_the_tiny_space_holds_every_plan_of_its_ties_once() -> None:
    space = tiny(BASE)
    untied = {
        plan
        for plan in enumerate_plans("jsg/jscmq")
        for symbols in [dict(zip(STAGES, stage_symbols(plan), strict=True))]
        if all(len({symbols[stage] for stage in group} - {"-"}) < 2 for group in space.tied)
    }
    assert len(space.plans()) == space.size() == 181
    assert set(space.plans()) == untied
    assert {"jjj/jjjj", "ggg/qqqq"} <= set(space.plans())  # early and middle fusion are both there, and differ
    assert canonical("sss/jjjj") in space.plans()


@pytest.mark.parametrize("name", SPACES)
def test_each_plan_is_a_point_and_back(name: str) -> None:
    space = SPACES[name](BASE)
    points = [space.point_of(plan) for plan in space.plans()]
    assert len({point_key(values) for values in points}) == len(points)
    for plan, values in zip(space.plans(), points, strict=True):
        assert space.fit(values) == values
        assert space.plan_of(values) == plan
    assert space.configure(points[7])[0]["plan"] == space.plans()[7]
    with pytest.raises(ValueError, match="must be one of a space of plans alone, got 'ccccccc'"):
        space.point_of("ccccccc")


def test_draws_are_points_of_the_space() -> None:
    space, rng = tiny(BASE), np.random.default_rng(0)
    assert {space.plan_of(space.sample(rng)) for _ in range(2000)} == set(space.plans())


def test_ties_are_kept_in_the_definition_and_only_where_there_are_any() -> None:
    assert tiny(BASE).as_json()["tied"] == [list(stages) for stages in tiny(BASE).tied]
    assert "tied" not in Space(BASE, "jsg").as_json()  # as in the entries of searches that are published


@pytest.mark.parametrize("tied", [((3, 4),), ((1, 2), (2, 3)), ((7, 8),)])
def test_ties_that_cannot_be_are_refused(tied: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match="'tied' must"):
        Space(BASE, "jsg/jscmq", tied=tied)
