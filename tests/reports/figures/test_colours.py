"""The colours of arms can be told apart, on both grounds and with every kind of colour vision."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from reports.plots.style import COLOURS, with_colours
from tests.reports.colour_vision import DEFICIENCIES, contrast, seen

GROUNDS = ("#ffffff", "#14171b")
LEAST = {None: 25.0, "protanopia": 20.0, "deuteranopia": 20.0, "tritanopia": 15.0}
"""Smallest distances in CIE Lab; Okabe and Ito's colours as they were had 9.5 under deuteranopia."""


@pytest.mark.parametrize("deficiency", [None, *DEFICIENCIES])
def test_no_two_colours_look_alike(deficiency: str | None) -> None:
    places = seen(np.array([to_rgb(colour) for colour in COLOURS]), deficiency)
    nearest = min(float(np.linalg.norm(first - second)) for first, second in combinations(places, 2))
    assert nearest >= LEAST[deficiency]


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_is_seen_on_both_grounds(colour: str, ground: str) -> None:
    assert contrast(np.array(to_rgb(colour)), np.array(to_rgb(ground))) >= 3


def arms(count: int, *, groups: int = 1) -> pd.DataFrame:
    names = [f"arm {number}" for number in range(count)]
    groups_of_arms = [f"group {number % groups}" for number in range(count)]
    return pd.DataFrame({"arm": names, "family": names, "group": groups_of_arms, "trained": True, "parent": ""})


def test_an_arm_that_goes_on_from_another_has_its_colour() -> None:
    both = arms(3).assign(parent=["", "", "arm 1"])
    first, parent, child = with_colours(both, "arm 0")["colour"]
    assert first != parent == child


def test_more_arms_than_colours_differ_in_mark_and_line() -> None:
    coloured = with_colours(arms(14, groups=2), "arm 0")
    assert not coloured.duplicated(["colour", "marker"]).any()
    assert not coloured.assign(line=coloured["line"].map(str)).duplicated(["colour", "line"]).any()


def test_more_arms_in_a_group_than_colours_differ_in_their_mark() -> None:
    coloured = with_colours(arms(22, groups=2), "arm 0")
    assert not coloured.duplicated(["colour", "marker"]).any()


def test_colours_may_be_chosen() -> None:
    coloured = with_colours(arms(2), "arm 0", colours={"arm 1": "#000000"}).set_index("arm")
    assert coloured["colour"].to_list() == [COLOURS[0], "#000000"]
