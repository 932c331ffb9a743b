"""The study of baselines: every method has a place in it, and its entry carries published figures."""

import json
from pathlib import Path

import pytest

from baselines.instance_optimisation import InstanceOptimisation
from experiments.studies.baselines import OF_A_SEARCH, REFINED, baseline_arms, learns_from_labels
from experiments.studies.semi import semi_arms
from experiments.sweep import main
from fusemorph.configuration import BUDGETS
from fusemorph.method import known_methods, load_method


def test_every_method_has_an_arm() -> None:
    arms = baseline_arms((32, 32, 32), BUDGETS["smoke"])
    in_semi = {arm.method.name for arm in semi_arms((32, 32, 32), BUDGETS["smoke"])}
    named = {arm.method.name for arm in arms}
    assert named | in_semi == set(known_methods()) - set(OF_A_SEARCH)
    assert all(learns_from_labels(load_method({"name": name})) for name in in_semi - named)
    assert len({arm.label for arm in arms}) == len(arms)
    after = {arm.label: arm.method.of for arm in arms if isinstance(arm.method, InstanceOptimisation)}
    assert after == {f"{arm.label}, refined": arm.method for arm in arms if arm.label in REFINED}


@pytest.mark.slow
def test_a_table_of_methods_of_each_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = ("identity", "oracle", "affine", "voxelmorph_1", "affine, refined")
    chosen = [word for label in labels for word in ("--arm", label)]
    small = ["--set", "spacing_mm=8.0", "--set", "train=4", "--set", "val=4", "--set", "test=4", "--budget", "smoke"]
    folders = ["--runs", str(tmp_path / "runs"), "--cache", str(tmp_path / "cache")]
    assert main(["baselines", "--dataset", "virtual_brains", *small, *folders, *chosen]) == 0
    output = capsys.readouterr().out
    assert all(f"\n{label} " in output for label in labels)
    entry = json.loads((tmp_path / "runs" / "studies" / "baselines-virtual_brains-smoke.json").read_text())
    (voxelmorph,) = (arm for arm in entry["arms"] if arm["label"] == "voxelmorph_1")
    assert voxelmorph["published"]
