"""Atlas-based registration: one fixed image for all pairs of a data set."""

from pathlib import Path

import numpy as np
import pytest

from baselines.identity import Identity
from fusemorph.configuration import Trial
from fusemorph.data import open_dataset
from fusemorph.trials.job import Job
from fusemorph.trials.run import run_job
from tests.data.folder_files import fill, table

ROWS = [*(f"s{n:02d}.nii.gz,p{n},train" for n in range(3)), "s03.nii.gz,p3,val", "s04.nii.gz,p3,val",
        "s05.nii.gz,p5,val", "s06.nii.gz,p6,test", "s07.nii.gz,p7,test"]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path, 8)
    table(tmp_path / "splits.csv", "image,person,split", *ROWS)
    return tmp_path


def test_every_pair_has_the_atlas_and_blocks_are_the_moving_subjects(folder: Path) -> None:
    dataset = open_dataset("folder", folder, cache=folder / "cache", atlas="s01")
    pairs = dataset.pairs("val")
    assert [(pair.fixed, pair.moving) for pair in pairs] == [("s01", "s03"), ("s01", "s04"), ("s01", "s05")]
    assert len({pair.block for pair in pairs}) == 2
    assert pairs[0].block == pairs[1].block  # scans of one person
    rng = np.random.default_rng(0)
    drawn = [dataset.training_pair(rng) for _ in range(12)]
    assert {pair.fixed.id for pair in drawn} == {"s01"}
    assert {pair.moving.id for pair in drawn} == {"s00", "s02"}


def test_a_trial_is_of_its_atlas(folder: Path, tmp_path: Path) -> None:
    keys = set()
    for settings in ({}, {"atlas": "s00"}, {"atlas": "s01"}):
        dataset = open_dataset("folder", folder, cache=folder / "cache", **settings)
        trial = Trial(method=Identity().configuration(), dataset=dataset.configuration(), budget=None, seed=0)
        job = Job(trial=trial, data=folder, cache=folder / "cache", splits=("test",))
        assert run_job(job, tmp_path / "runs") == "finished"
        keys.add(trial.key)
        written = (tmp_path / "runs" / trial.key / "eval" / "test" / "pairs.csv").read_text()
        assert all(f"{dataset.pairs('test')[n].name}," in written for n in range(2))
    assert len(keys) == 3


@pytest.mark.parametrize(("atlas", "message"), [("s03", "must be a scan of train"), (7, "must be a scan of train")])
def test_an_atlas_is_a_scan_of_train(atlas: object, message: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=message):
        open_dataset("folder", folder, cache=folder / "cache", atlas=atlas)


def test_declared_pairs_have_no_atlas(folder: Path) -> None:
    table(folder / "pairs.csv", "fixed,moving,split", *(f"images/s{n:02d}.nii.gz,images/s{n + 1:02d}.nii.gz,{split}"
          for n, split in ((0, "train"), (2, "train"), (4, "val"))))  # fmt: skip
    with pytest.raises(ValueError, match="'atlas' needs pairs between subjects"):
        open_dataset("folder", folder, cache=folder / "cache", atlas="s00")
