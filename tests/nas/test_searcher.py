"""Searchers without an engine: what they ask for, and that known points rebuild them."""

from collections.abc import Callable

import pytest

from fusemorph.fusion.method import Fusion
from nas.evolution import EvolutionSearcher
from nas.searcher import GridSearcher, Outcome, RandomSearcher, Searcher, point_key
from nas.space import Choice, Range, Space, Values

BASE = Fusion().configuration()
SPACE = Space(BASE, "sg", (Choice("gate.temperature", (0.5, 1.0)),))
DONE = Outcome(state="finished", values=(0.5,))


def evolution(space: Space, seed: int) -> EvolutionSearcher:
    return EvolutionSearcher(space, directions=("maximize",), seed=seed)


MAKERS: list[Callable[[Space, int], Searcher]] = [GridSearcher, RandomSearcher, evolution]


def ask_all(searcher: Searcher) -> list[Values]:
    points = []
    while (values := searcher.ask()) is not None:
        points.append(values)
        searcher.tell(values, DONE)
    return points


@pytest.mark.parametrize("kind", MAKERS)
def test_every_point_is_asked_once_and_then_none(kind: Callable[[Space, int], Searcher]) -> None:
    searcher = kind(SPACE, 0)
    points = ask_all(searcher)
    assert len(points) == SPACE.size()
    assert {point_key(point) for point in points} == {point_key(point) for point in SPACE.points()}
    assert searcher.ask() is None


@pytest.mark.parametrize("kind", MAKERS)
def test_the_seed_decides_the_order(kind: Callable[[Space, int], Searcher]) -> None:
    orders = [ask_all(kind(SPACE, seed)) for seed in (0, 0, 1)]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0] != list(SPACE.points())


@pytest.mark.parametrize("kind", MAKERS)
def test_adopted_points_rebuild_a_searcher(kind: Callable[[Space, int], Searcher]) -> None:
    whole = ask_all(kind(SPACE, 0))
    rebuilt = kind(SPACE, 0)
    for i, values in enumerate(whole[:30]):
        rebuilt.adopt(values, DONE if i % 2 else None)
        if not i % 2:
            rebuilt.tell(values, DONE)
    assert ask_all(rebuilt) == whole[30:]


@pytest.mark.parametrize("kind", MAKERS)
def test_points_that_others_chose_are_not_asked(kind: Callable[[Space, int], Searcher]) -> None:
    searcher = kind(SPACE, 0)
    taken = list(SPACE.points())[::3]
    for values in taken:
        searcher.adopt(values, None)
    assert not {point_key(values) for values in taken} & {point_key(values) for values in ask_all(searcher)}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_point_of_another_space_is_refused(kind: Callable[[Space, int], Searcher]) -> None:
    with pytest.raises(ValueError, match="must be one of"):
        kind(SPACE, 0).adopt({"plan.7": "j"}, DONE)


def test_random_points_serve_ranges_and_a_grid_does_not() -> None:
    space = Space(BASE, "", (Range("loss.kl_weight", 1e-3, 1e-1, log=True),))
    searcher = RandomSearcher(space, 0)
    assert len({point_key(searcher.ask() or {}) for _ in range(20)}) == 20
    with pytest.raises(ValueError, match="got ranges"):
        GridSearcher(space, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "finished"},
        {"state": "pruned", "values": (0.5,)},
        {"state": "failed", "values": (0.5,)},
        {"state": "finished", "values": (float("nan"),)},
        {"state": "pruned", "intermediate": {10: float("inf")}},
    ],
)
def test_an_outcome_without_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"Outcome\(\)"):
        Outcome(**wrong)  # type: ignore[arg-type]
