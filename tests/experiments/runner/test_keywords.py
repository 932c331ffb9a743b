"""Keywords of ``run_study`` are the options of the command line, read by the same parser."""

import inspect
import re
from pathlib import Path

import pytest

from experiments import run_study
from experiments.runner.command_line import parse, parser
from experiments.runner.keywords import CALLED, arguments_of


def test_every_option_of_the_command_line_is_a_keyword() -> None:
    flags = {word for action in parser()._actions for word in action.option_strings if word.startswith("--")}
    wanted = {flag[2:].replace("-", "_") for flag in flags} - {"help", "list"}
    assert wanted | {"study"} == set(inspect.signature(run_study).parameters)


def test_values_arrive_as_they_were_given() -> None:
    words = arguments_of(
        "fusion",
        {
            "arm": ["early", "AutoFuse"], "dataset": "hippocampus", "data": {"hippocampus": Path("/images")},
            "set": {"shape": (64, 64, 16), "unlabelled": True, "labelled": "25%"}, "labels": [0, "10%"], "seeds": 3,
            "gpus_per_trial": 0.5, "semi": True, "no_control": False, "max_flops": None,
        },
    )  # fmt: skip
    options = parse(words)
    assert options is not None
    assert options.study.arms == ("early", "AutoFuse")
    assert (options.study.labels, options.study.seeds) == ("0,10%", 3)
    assert options.data.folders == {"hippocampus": Path("/images")}
    assert options.data.settings == {"shape": (64, 64, 16), "unlabelled": True, "labelled": "25%"}
    assert (options.execution.gpus_per_trial, options.search.semi, options.search.no_control) == (0.5, True, False)


@pytest.mark.parametrize(
    ("study", "options", "message"),
    [
        ("fusion", {"sedes": 3}, "no option 'sedes'; did you mean seeds?"),
        ("fusion", {"datasets": "acdc"}, "did you mean dataset?"),
        ("fusion", {"semi": "yes"}, "--semi: must be true or false, got 'yes'"),
        ("--list", {}, "'study' must be the name of a study"),
        (7, {}, "'study' must be the name of a study, got '7'"),
    ],
)
def test_a_wrong_keyword_is_named(study: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        arguments_of(study, options)
    assert all(name not in CALLED for name in options)
