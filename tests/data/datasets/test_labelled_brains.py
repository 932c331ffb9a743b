"""Mindboggle-101, Buckner40, OASIS and BIDS: labels, persons and layouts on made-up folders, with what is odd."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from fusemorph.data import DataError, open_dataset
from fusemorph.data.curation import wrong_headers
from fusemorph.data.datasets.bids import Bids
from fusemorph.data.datasets.buckner import Buckner
from fusemorph.data.datasets.mindboggle import LABELS, Mindboggle
from fusemorph.data.datasets.oasis import Oasis
from fusemorph.data.listed import ListedDataset
from fusemorph.data.phantom import write_phantom


def opened(name: str, arguments: dict[str, Any], tmp_path: Path, **settings: Any) -> ListedDataset:
    dataset = open_dataset(name, cache=tmp_path / "cache", **(arguments | settings))
    assert isinstance(dataset, ListedDataset)
    return dataset


def write_brain(folder: Path, scan: str, seed: int, header_axes: str) -> None:
    for space, axes, expected in (("", "LIA", header_axes), (".MNI152", "LAS", "LAS")):
        write_phantom(
            folder / scan / f"t1weighted_brain{space}.nii.gz",
            folder / scan / f"labels.DKT31.manual{space}.nii.gz",
            rng=np.random.default_rng(seed),
            values=(1002, 2002),
            axes=axes,
            header_axes=expected,
            stripped=True,
        )


def test_the_fourteen_wrong_headers_give_the_brains_that_right_ones_give(tmp_path: Path) -> None:
    """The headers have axial slices as coronal ones; without handling, the arrays would lie on their side."""
    scans = sorted(wrong_headers("mindboggle"))
    assert len(scans) == 14
    turned = ("LSP", "LPI", "RAI")
    for seed, scan in enumerate(scans):
        write_brain(tmp_path / "wrong", scan, seed, turned[seed % 3])
        # Named as scans that are in order, so that their headers are believed.
        write_brain(tmp_path / "right", f"MMRR-21-{seed + 2}", seed, "LIA")
    arguments: dict[str, Any] = {"spacing_mm": 1.0, "shape": [24, 28, 24], "align": "none"}
    wrong = opened("mindboggle", {"data": tmp_path / "wrong", **arguments}, tmp_path)
    right = opened("mindboggle", {"data": tmp_path / "right", **arguments}, tmp_path)
    for seed, scan in enumerate(scans):
        mended, expected = wrong.scan(scan), right.scan(f"MMRR-21-{seed + 2}")
        assert np.array_equal(mended.image, expected.image), scan
        assert mended.labels is not None
        assert expected.labels is not None
        assert np.array_equal(mended.labels, expected.labels), scan
    assert len(wrong.listing.righted) == 14
    assert not right.listing.righted
    assert all("its axes are LIA" in words for words in wrong.listing.righted.values())


def test_a_wrong_header_without_the_copy_that_tells_is_left_out(tmp_path: Path) -> None:
    arguments = Mindboggle.example(tmp_path / "set")
    scan = tmp_path / "set/Extra-18_volumes/HLN-12-1"
    (scan / "t1weighted_brain.MNI152.nii.gz").unlink()
    dataset = opened("mindboggle", arguments, tmp_path)
    assert "HLN-12-1" not in dataset.listing.scans
    assert "which would tell how it lies, is not there" in dataset.excluded()[scan / "t1weighted_brain.nii.gz"]


def test_persons_in_two_cohorts_are_one_subject(tmp_path: Path) -> None:
    dataset = opened("mindboggle", Mindboggle.example(tmp_path / "set"), tmp_path)
    for first, second in (("NKI-RS-22-3", "NKI-TRT-20-5"), ("NKI-RS-22-14", "NKI-TRT-20-14")):
        assert dataset.subject(first) == dataset.subject(second)
        assert dataset.listing.scans[first].split == dataset.listing.scans[second].split
    assert len({scan.subject for scan in dataset.listing.scans.values()}) == 8


def test_mindboggle_has_62_named_regions_and_no_strays(tmp_path: Path) -> None:
    arguments = Mindboggle.example(tmp_path / "set")
    path = tmp_path / "set/MMRR-21_volumes/MMRR-21-2/labels.DKT31.manual.nii.gz"
    labels = nib.Nifti1Image.from_filename(path)
    array = np.asarray(labels.dataobj).copy()
    array[array == 1035] = 1033
    nib.Nifti1Image(array, labels.affine).to_filename(path)
    dataset = opened("mindboggle", arguments, tmp_path)
    assert len(dataset.labels) == len(LABELS) == 62
    assert dataset.labels[1002] == "left caudal anterior cingulate"
    assert dataset.labels[2035] == "right insula"
    found = dataset.scan("MMRR-21-2").labels
    assert found is not None
    assert set(np.unique(found).tolist()) == {0, 1002, 2002, 2035}


def test_either_space_of_mindboggle_is_read(tmp_path: Path) -> None:
    arguments = Mindboggle.example(tmp_path / "set")
    dataset = opened("mindboggle", arguments, tmp_path, space="MNI152")
    assert {path.name for path in dataset.files("HLN-12-1")} == {
        "t1weighted_brain.MNI152.nii.gz", "labels.DKT31.manual.MNI152.nii.gz"
    }  # fmt: skip
    assert not dataset.listing.righted
    whole = opened("mindboggle", {"data": arguments["data"]}, tmp_path, space="MNI152", align="none", spacing_mm=1.0)
    assert whole.shape == (20, 24, 20)
    assert np.allclose(whole.scan("HLN-12-1").affine[:3, 3], [-19, 0, 0])
    with pytest.raises(ValueError, match="'space' must be one of native, MNI152"):
        opened("mindboggle", arguments, tmp_path, space="talairach")


def test_what_is_not_public_says_so() -> None:
    with pytest.raises(ValueError, match=r"'data' must be the folder of buckner \(nothing public: ask the Martinos"):
        open_dataset("buckner")


def test_freesurfer_folders_are_persons_with_named_structures(tmp_path: Path) -> None:
    dataset = opened("buckner", Buckner.example(tmp_path / "set"), tmp_path)
    assert sorted(dataset.listing.scans) == [f"subject{number:02d}" for number in range(8)]
    assert (dataset.labels[17], dataset.labels[53]) == ("left hippocampus", "right hippocampus")
    image, labels = dataset.read("subject00")
    assert image.array.shape == (20, 24, 20)
    assert labels is not None
    assert set(np.unique(labels.array).tolist()) == {0, 2, 17, 41, 53}
    with pytest.raises(DataError, match=r"image without label aparc\+aseg.mgz"):
        opened("buckner", Buckner.example(tmp_path / "set"), tmp_path, segmentation="aparc+aseg")


def test_mgh_files_read_as_nibabel_reads_them(tmp_path: Path) -> None:
    arguments = Buckner.example(tmp_path / "set")
    dataset = opened("buckner", arguments, tmp_path)
    path = dataset.files("subject03")[0]
    reference = nib.as_closest_canonical(nib.MGHImage.from_filename(path))
    image = dataset.read("subject03")[0]
    assert np.array_equal(image.array, np.asarray(reference.dataobj))
    assert np.allclose(image.affine, reference.affine)


def test_oasis_keeps_the_grid_in_which_its_brains_are_aligned(tmp_path: Path) -> None:
    dataset = opened("oasis", Oasis.example(tmp_path / "set"), tmp_path)
    starts = {tuple(dataset.scan(scan_id).affine[:3, 3]) for scan_id in dataset.scan_ids("train")}
    assert starts == {(-2.0, 0.0, -2.0)}
    assert dataset.labels[35] == "structure 35"
    assert dataset.subject("OAS1_0001_MR1") == dataset.subject("OAS1_0001_MR2") == "OAS1_0001"


def test_the_slices_of_oasis_are_two_dimensional(tmp_path: Path) -> None:
    arguments = {"data": Oasis.example(tmp_path / "set")["data"]}
    dataset = opened("oasis", arguments, tmp_path, slices=True)
    assert dataset.shape == (20, 24)
    scan = dataset.scan(dataset.scan_ids("train")[0])
    assert scan.labels is not None
    assert (scan.image.shape, scan.labels.max()) == ((20, 24), 4)
    assert len(dataset.labels) == 24
    assert opened("oasis", arguments, tmp_path, spacing_mm=2.0).shape == (10, 12, 10)


def test_bids_takes_sites_and_splits_from_its_participants(tmp_path: Path) -> None:
    arguments = Bids.example(tmp_path / "set")
    table = tmp_path / "set/participants.tsv"
    rows = table.read_text().splitlines()
    splits = ["train", "train", "train", "val", "val", "test", "test", "test"]
    table.write_text("\n".join([f"{rows[0]}\tsplit", *map("\t".join, zip(rows[1:], splits, strict=True))]))
    dataset = opened("bids", arguments, tmp_path)
    assert dataset.scan_ids("val") == ("04_1", "05_1")
    assert {scan.site for scan in dataset.listing.scans.values()} == {"A", "B"}
    assert dataset.labels == {1: "left half", 2: "right half"}
    assert dataset.subject("01_1") == dataset.subject("01_2") == "01"


def test_bids_asks_which_segmentation_where_there_are_several(tmp_path: Path) -> None:
    arguments = Bids.example(tmp_path / "set")
    anat = tmp_path / "set/derivatives/tool/sub-03/ses-1/anat"
    write_phantom(
        anat / "sub-03_ses-1_desc-preproc_T1w.nii.gz", anat / "sub-03_ses-1_desc-aseg_dseg.nii.gz",
        rng=np.random.default_rng(0),
    )  # fmt: skip
    with pytest.raises(DataError, match=r"has 2 segmentations .*--set segmentation=desc-aseg"):
        opened("bids", arguments, tmp_path)
    assert not opened("bids", arguments, tmp_path, segmentation="none").labels
    with pytest.raises(DataError, match="no name of a T1w image contains 'match' \\('space-none'\\)"):
        opened("bids", arguments, tmp_path, match="space-none")


def test_pairs_within_subjects_of_bids_need_two_sessions_each(tmp_path: Path) -> None:
    arguments = Bids.example(tmp_path / "set")
    with pytest.raises(DataError, match=r"sub-02_ses-1_T1w.nii.gz: is the only image of its subject; .*two sessions"):
        opened("bids", arguments, tmp_path, task="intra")
    for number in range(2, 9):
        name = f"sub-{number:02d}/ses-2/anat/sub-{number:02d}_ses-2"
        image, labels = (tmp_path / f"set/{name}_{suffix}.nii.gz" for suffix in ("T1w", "dseg"))
        write_phantom(image, labels, rng=np.random.default_rng(number))
    dataset = opened("bids", arguments, tmp_path, task="intra")
    assert dataset.within_subjects
    assert len(dataset.pairs("train")) == 2 * len(dataset.scan_ids("train")) / 2
