"""Partly labelled data: nested, in the fingerprint, the same as before where nothing is hidden."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from fusemorph.data import Dataset, open_dataset
from fusemorph.data.check import check
from fusemorph.data.datasets.folder import Folder
from fusemorph.data.datasets.hippocampus import Hippocampus
from fusemorph.data.labelled import choose_labelled

SUBJECTS = [f"{number:03d}" for number in range(40)]


def choose(asked: Any, subjects: list[str] = SUBJECTS) -> tuple[str, ...]:
    return choose_labelled(asked, having=subjects, subjects=subjects, dataset="brains")


def brains(cache: Path, **settings: Any) -> Dataset:
    return open_dataset("virtual_brains", cache=cache, spacing_mm=8.0, train=5, val=2, test=2, **settings)


def test_choices_are_nested_and_do_not_depend_on_the_order_of_the_names() -> None:
    five, tenth, all_of_them = choose(5), choose("25%"), choose(1.0)
    assert (len(five), len(tenth), len(all_of_them)) == (5, 10, 40)
    assert tenth[:5] == five
    assert all_of_them[:10] == tenth
    assert choose(0.25, SUBJECTS[::-1]) == tenth
    assert list(five) != sorted(SUBJECTS)[:5]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("1%", r"must leave a labelled subject or be 0, got '1%' of 40 subjects"),
        (41, "must be at most the 40 subjects of train with labels, got 41"),
        (1.5, "must be a number of subjects, a share such as 10%, or a list of subjects, got 1.5"),
        (-1, "must be a number of subjects"),
        (True, "must be a number of subjects"),
        ("200%", "must be a number of subjects"),
        (["000", "999"], "must list subjects of train, 999 is none"),
        ([], "must list at least one subject, or be 0"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(asked: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"brains: 'labelled' {message}"):
        choose(asked)


def test_labels_of_training_alone_are_hidden_all_scans_of_a_subject(tmp_path: Path) -> None:
    example = Hippocampus.example(tmp_path / "files")
    dataset = open_dataset("hippocampus", cache=tmp_path / "cache", labelled=1, **example)
    (labelled,) = dataset.labelled_subjects
    for split in dataset.splits:
        for scan_id in dataset.scan_ids(split):
            seen = dataset.scan(scan_id).labels is not None
            assert seen == (split != "train" or dataset.subject(scan_id) == labelled)


def test_the_setting_is_written_as_a_count_and_only_where_something_is_hidden(brains_cache: Path) -> None:
    plain, whole, none = (brains(brains_cache, **settings) for settings in ({}, {"labelled": "100%"}, {"labelled": 0}))
    assert whole.configuration() == plain.configuration()
    two, share = brains(brains_cache, labelled=2), brains(brains_cache, labelled="40%")
    assert two.configuration() == share.configuration()
    assert two.configuration()["labelled"] == 2
    first = brains(brains_cache, labelled=list(two.labelled_subjects))
    assert first.configuration() == two.configuration()
    others = brains(brains_cache, labelled=sorted(set(plain.labelled_subjects) - set(two.labelled_subjects))[:2])
    assert len({dataset.fingerprint() for dataset in (plain, none, two, others)}) == 4
    again = {name: value for name, value in others.configuration().items() if name not in ("name", "fingerprint")}
    assert open_dataset("virtual_brains", cache=brains_cache, **again).configuration() == others.configuration()


def test_labels_of_a_set_without_any_cannot_be_asked_for(tmp_path: Path) -> None:
    example = Folder.example(tmp_path / "files")
    for path in (tmp_path / "files" / "labels").iterdir():
        path.unlink()
    (tmp_path / "files" / "labels").rmdir()
    with pytest.raises(ValueError, match="folder: 'labelled' must be 0, got 2: no subject of train has labels"):
        open_dataset("folder", cache=tmp_path / "cache", labelled=2, **example)


def test_the_check_counts_them_and_says_which_files_are_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from fusemorph.data.check import main

    example = Hippocampus.example(tmp_path / "files")
    call = ["hippocampus", "--data", str(tmp_path / "files"), "--cache", str(tmp_path / "cache")]
    call += ["--set", "shape=24,24,24"]
    assert main([*call, "--set", "labelled=1"]) == 0
    assert "1 of 3 subjects" in capsys.readouterr().out
    path = next((tmp_path / "files" / "labelsTr").glob("*_001.nii.gz"))
    image = nib.Nifti1Image.from_filename(path)
    strange = np.asarray(image.dataobj).copy()
    strange[0, 0, 0] = 7
    nib.save(nib.Nifti1Image(strange, image.affine), path)
    findings = check("hippocampus", cache=tmp_path / "cache", **example)
    assert any(str(path) in finding.message and "got [7]" in finding.message for finding in findings)


def test_most_images_of_a_folder_may_truly_have_none(tmp_path: Path) -> None:
    example = Folder.example(tmp_path / "files")
    labels = tmp_path / "files" / "labels"
    for number in (0, 1, 3):
        (labels / f"train{number}.nii.gz").unlink()
    with pytest.raises(ValueError, match=r"train0\.nii\.gz: image without label"):
        open_dataset("folder", cache=tmp_path / "cache", **example)
    dataset = open_dataset("folder", cache=tmp_path / "cache", unlabelled=True, **example)
    assert dataset.labelled_subjects == ("b",)
    assert [dataset.scan(i).labels is not None for i in dataset.scan_ids("train")] == [False, False, True, False]
    with pytest.raises(ValueError, match="must be at most the 1 subjects of train with labels"):
        open_dataset("folder", cache=tmp_path / "cache", unlabelled=True, labelled=2, **example)
    (labels / "val0.nii.gz").unlink()
    with pytest.raises(ValueError, match=r"val0\.nii\.gz: image without label"):
        open_dataset("folder", cache=tmp_path / "cache", unlabelled=True, **example)
