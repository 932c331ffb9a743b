"""Searches with labels: how segmentation helps is a choice beside the plan."""

import numpy as np
import pytest

from experiments.studies.semi import STRATEGIES, semi_supervised
from experiments.study import SearchStudy, find_study
from fusemorph.configuration import BUDGETS
from fusemorph.fusion.method import Fusion
from fusemorph.method import load_method

SEARCH = BUDGETS["search"]


@pytest.mark.parametrize("name", ["placement", "full"])
def test_segmentation_is_searched_beside_the_rest(name: str) -> None:
    study = find_study(name)
    assert isinstance(study, SearchStudy)
    space = semi_supervised(study).space(SEARCH, "jsg/jscm")
    space.check()
    names = {parameter.name for parameter in study.space(SEARCH, "jsg/jscm").every_parameter()}
    assert {parameter.name for parameter in space.every_parameter()} == names | {"segmentation"}
    rng, seen = np.random.default_rng(0), set()
    for _ in range(60):
        values = space.sample(rng)
        method = load_method(space.configure(values)[0])
        assert isinstance(method, Fusion)
        assert method.loss.dice_weight > 0
        assert method.loss.supervision.reads_predictions == (values["segmentation"] != "none")
        seen.add(values["segmentation"])
    assert seen == set(STRATEGIES)


def test_the_arms_of_comparison_learn_from_labels_too() -> None:
    study = find_study("placement")
    assert isinstance(study, SearchStudy)
    arms = semi_supervised(study).comparison_arms(SEARCH)
    assert {"none", "all"} <= {arm.label for arm in arms}
    assert all(arm.method.objective and arm.method.objective.reads_labels for arm in arms)
