"""The study of labels: every strategy with its own terms, the same nested subjects, each count once."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from experiments.runner.datasets import warn_of_labels
from experiments.runner.labels import described, label_counts, over_labels
from experiments.studies.semi import STUDY, semi_arms, strategy_arms
from experiments.study import Arm
from fusemorph.configuration import BUDGETS
from fusemorph.data import Dataset, open_dataset
from fusemorph.data.datasets.hippocampus import Hippocampus
from fusemorph.fusion.method import Fusion

SMOKE = BUDGETS["smoke"]


@pytest.fixture(scope="module")
def dataset(brains_cache: Path) -> Dataset:
    return open_dataset("virtual_brains", cache=brains_cache, spacing_mm=8.0, train=8, val=2, test=2)


def test_strategies_differ_in_how_segmentation_helps_and_keep_their_terms() -> None:
    arms = {arm.label: arm.method for arm in strategy_arms(SMOKE) if isinstance(arm.method, Fusion)}
    assert [arms[name].segmentation for name in ("none", "loss", "feature", "input", "all")] == [
        "none", "loss", "feature", "input", "all",
    ]  # fmt: skip
    for name, method in arms.items():
        assert method.loss.dice_weight > 0
        assert method.loss.supervision.reads_predictions == (name != "none")
    assert arms["AutoFuse-Semi"].plan == "ggggggg"
    assert arms["all, published terms"].loss.supervision.label_warp == "nearest"


def test_counts_are_nested_each_once_the_smallest_first(dataset: Dataset) -> None:
    assert label_counts(dataset, ("100%", "0", "25%", "2", "8")) == (0, 2, 8)
    for text, message in (("9", "at most the 8 subjects"), ("1%", "must leave a labelled subject"), ("x", "x is none")):
        with pytest.raises(ValueError, match=f"--labels {text}: .*{message}"):
            label_counts(dataset, (text,))
    with pytest.raises(ValueError, match="exclude each other"):
        label_counts(dataset.with_labelled(2), ("0",))


def test_arms_that_train_alike_without_labels_run_once(dataset: Dataset) -> None:
    arms = over_labels(semi_arms(dataset.shape, SMOKE), (0, 3, 8), subjects=8)
    labels = [arm.label for arm in arms]
    assert labels.count("identity") == 1
    assert STUDY.reference in labels
    assert "loss, unlabelled" not in labels
    assert {"loss, 3 labelled", "all, unlabelled", "deepatlas, 3 labelled"} <= set(labels)
    controls = [label for label in labels if "segmentation," in label and label.startswith("input")]
    assert controls == ["input, true segmentation, 8 labelled", "input, another subject's segmentation, 8 labelled"]
    entries = {arm.label: described(dataset, arm) for arm in arms if arm.trained}
    assert entries["all, unlabelled"]["labelled"] == 0
    assert entries["all, 3 labelled"] == entries["loss, 3 labelled"]


def test_an_arm_with_all_labels_has_the_data_set_as_it_is(dataset: Dataset) -> None:
    arm = Arm(label="x", group="x", method=Fusion(), labelled=8)
    assert described(dataset, arm) == dataset.configuration()


def test_matched_baselines_are_about_as_large_as_the_family() -> None:
    from fusemorph.complexity import count_parameters

    arms = {arm.label: arm.method for arm in semi_arms((48, 64, 48), BUDGETS["quick"])}
    goal = count_parameters(arms["all"], 3)
    matched = [name for name in arms if name.endswith(", parameters")]
    assert len(matched) == 6
    for name in matched:
        assert count_parameters(arms[name], 3) / goal == pytest.approx(1, abs=0.1)


def test_a_study_of_labels_says_which_label_some_scans_lack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Hippocampus.example(tmp_path)
    path = sorted((tmp_path / "labelsTr").glob("*.nii.gz"))[0]
    image = nib.Nifti1Image.from_filename(path)
    without = np.minimum(np.asarray(image.dataobj), 1).astype(np.uint8)
    nib.save(nib.Nifti1Image(without, image.affine), path)
    dataset = open_dataset("hippocampus", tmp_path, cache=tmp_path / "cache", shape=[24, 24, 24])
    warn_of_labels([dataset])
    assert "sweep: warning: hippocampus: label 2 (posterior) is absent from 1 scan" in capsys.readouterr().err
