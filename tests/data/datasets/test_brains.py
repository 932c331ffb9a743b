"""ADNI, ABIDE, ADHD-200 and IXI: persons, visits, sites and layouts on made-up folders, with what is odd in each."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from fusemorph.data import DataError, open_dataset
from fusemorph.data.brain import BrainDataset
from fusemorph.data.datasets.abide import Abide
from fusemorph.data.datasets.adhd200 import Adhd200
from fusemorph.data.datasets.adni import Adni
from fusemorph.data.datasets.ixi import Ixi
from fusemorph.data.listing import Listed
from fusemorph.data.phantom import write_phantom


def opened(kind: type[BrainDataset], arguments: dict[str, Any], tmp_path: Path, **settings: Any) -> BrainDataset:
    dataset = open_dataset(kind.name, cache=tmp_path / "cache", **(arguments | settings))
    assert isinstance(dataset, BrainDataset)
    return dataset


def people(dataset: BrainDataset) -> dict[str, str]:
    return {scan_id: scan.subject for scan_id, scan in dataset.listing.scans.items()}


@pytest.mark.parametrize("layout", ["INDI", "NITRC", "BIDS"])
def test_an_id_of_abide_is_one_person_however_it_is_spelt(tmp_path: Path, layout: str) -> None:
    """50952, 0050952, NYU_50952 and sub-0050952; the table's 50952 gives the site where the path does not."""
    dataset = opened(Abide, Abide.example(tmp_path / layout, layout), tmp_path)
    assert dataset.listing.layout == layout
    assert people(dataset) == {f"{number:07d}_1": f"{number:07d}" for number in range(50952, 50961)}
    assert {scan.subject: scan.site for scan in dataset.listing.scans.values()}["0050953"] == "NYU"
    expected = opened(Abide, Abide.example(tmp_path / "other", "INDI"), tmp_path)
    assert [dataset.scan_ids(split) for split in dataset.splits] == [
        expected.scan_ids(split) for split in expected.splits
    ]


def test_of_two_scans_in_one_visit_the_first_is_read(tmp_path: Path) -> None:
    dataset = opened(Abide, Abide.example(tmp_path / "set"), tmp_path)
    first, second = (tmp_path / f"set/NYU/0050953/session_1/anat_{run}/mprage.nii.gz" for run in (1, 2))
    assert dataset.files("0050953_1") == (first,)
    assert dict(dataset.excluded()) == {second: f"is another scan of the same visit; {first} is used"}


def test_persons_without_an_anatomical_scan_are_left_out_by_the_table(tmp_path: Path) -> None:
    arguments = Abide.example(tmp_path / "set")
    path = tmp_path / "set/UCLA_1/0051232/session_1/anat_1/mprage.nii.gz"
    write_phantom(path, rng=np.random.default_rng(0))
    dataset = opened(Abide, arguments, tmp_path)
    assert "0051232" not in people(dataset).values()
    assert "no anatomical image" in dataset.excluded()[path]
    assert "pypreprocess/issues/10" in dataset.excluded()[path]


@pytest.mark.parametrize("layout", ["NITRC", "INDI", "BIDS"])
def test_two_sessions_of_adhd200_are_one_person_in_one_split(tmp_path: Path, layout: str) -> None:
    dataset = opened(Adhd200, Adhd200.example(tmp_path / "set", layout), tmp_path)
    assert dataset.listing.layout == layout
    twice = {scan_id for scan_id, subject in people(dataset).items() if subject == "0026001"}
    assert twice == {"0026001_1", "0026001_2"}
    assert len({scan.split for scan_id, scan in dataset.listing.scans.items() if scan_id in twice}) == 1
    assert {scan.site for scan in dataset.listing.scans.values()} == {"KKI", "WashU"}


def test_the_anatomical_file_called_rest_is_read_and_the_functional_one_is_not(tmp_path: Path) -> None:
    dataset = opened(Adhd200, Adhd200.example(tmp_path / "set"), tmp_path)
    assert dataset.files("0026001_1") == (tmp_path / "set/WashU_0026001_1/anat_1/NIfTI/rest.nii.gz",)
    functional = tmp_path / "set/WashU_0026001_1/rest_1/NIfTI/rest.nii.gz"
    assert functional.exists()
    assert functional not in {path for scan_id in people(dataset) for path in dataset.files(scan_id)}


def test_a_person_of_adni_has_visits_with_one_scan_each(tmp_path: Path) -> None:
    dataset = opened(Adni, Adni.example(tmp_path / "set"), tmp_path)
    of_first = {scan_id for scan_id, subject in people(dataset).items() if subject == "027_S_0074"}
    assert of_first == {"027_S_0074_2006-01-31", "027_S_0074_m12"}
    # The table names the second of two scans of one day, which is therefore the one that is read.
    assert dataset.files("027_S_0075_bl")[0].parent.name == "I201"
    assert [path.parent.name for path in dataset.excluded()] == ["I101"]
    assert {scan.site for scan in dataset.listing.scans.values()} == {"027"}


def test_without_the_table_the_lowest_number_of_a_visit_is_read(tmp_path: Path) -> None:
    arguments = Adni.example(tmp_path / "set")
    (tmp_path / "set/ADNIMERGE.csv").unlink()
    dataset = opened(Adni, arguments, tmp_path)
    assert dataset.files("027_S_0075_2006-01-31")[0].parent.name == "I101"


def test_adni_in_bids_has_the_same_persons(tmp_path: Path) -> None:
    dataset = opened(Adni, Adni.example(tmp_path / "set", "BIDS"), tmp_path)
    assert sorted(set(people(dataset).values())) == [f"027_S_{number:04d}" for number in range(74, 82)]
    assert {"027_S_0074_M00", "027_S_0074_M12"} <= set(people(dataset))


def test_sagittal_slices_of_ixi_come_out_as_the_brain_that_they_show(tmp_path: Path) -> None:
    """T1 is stored as PSR: without reorientation, left and right would be its third axis."""
    dataset = opened(Ixi, Ixi.example(tmp_path / "set"), tmp_path)
    stored = nib.Nifti1Image.from_filename(dataset.files("IXI002")[0])
    assert nib.aff2axcodes(stored.affine) == ("P", "S", "R")
    upright = tmp_path / "IXI002.nii.gz"
    write_phantom(upright, rng=np.random.default_rng(0))
    image, _ = Listed(image=upright, subject="IXI002").read(dimensions=3, smallest_side=8)
    assert np.array_equal(dataset.read("IXI002")[0].array, image.array)
    assert dataset.read("IXI002")[0].array.shape == (20, 24, 20)


def test_ixi_in_bids_has_the_same_persons_in_the_same_splits(tmp_path: Path) -> None:
    official, bids = (opened(Ixi, Ixi.example(tmp_path / layout, layout), tmp_path) for layout in ("official", "BIDS"))
    assert bids.listing.layout == "BIDS"
    assert [bids.scan_ids(split) for split in bids.splits] == [official.scan_ids(split) for split in official.splits]
    assert bids.fingerprint() == official.fingerprint()


def test_ixi_reads_one_modality(tmp_path: Path) -> None:
    arguments = Ixi.example(tmp_path / "set")
    dataset = opened(Ixi, arguments, tmp_path)
    assert len(people(dataset)) == 8
    assert {scan.site for scan in dataset.listing.scans.values()} == {"Guys", "HH", "IOP"}
    with pytest.raises(ValueError, match="'modality' must be one of T1, T2, PD, MRA, got 'FLAIR'"):
        opened(Ixi, arguments, tmp_path, modality="FLAIR")
    with pytest.raises(DataError, match=r"set: holds 1 subject, too few for train, .*; is the download complete\?"):
        opened(Ixi, arguments, tmp_path, modality="T2")


def test_the_protocol_of_the_paper_stands_for_its_settings(tmp_path: Path) -> None:
    arguments = Ixi.example(tmp_path / "set")
    paper = opened(Ixi, {"data": arguments["data"]}, tmp_path, protocol="paper", align="none")
    assert (paper.shape, paper.spacing_mm) == ((144, 192, 160), (1.0, 1.0, 1.0))
    assert "protocol" not in paper.settings
    assert opened(Ixi, arguments, tmp_path, protocol="paper").shape == (24, 28, 24)
    with pytest.raises(ValueError, match="ixi: 'protocol' must be one of paper, got 'other'"):
        opened(Ixi, arguments, tmp_path, protocol="other")
    with pytest.raises(ValueError, match="ixi: 'fractions' must be three numbers that sum to 1"):
        opened(Ixi, arguments, tmp_path, fractions=[0.5, 0.1, 0.1])


def test_settings_that_are_recorded_open_the_same_data(tmp_path: Path) -> None:
    arguments = Ixi.example(tmp_path / "set")
    dataset = opened(Ixi, arguments, tmp_path)
    again = opened(Ixi, {"data": arguments["data"]}, tmp_path, **dataset.settings)
    assert again.settings == dataset.settings
    assert again.fingerprint() == dataset.fingerprint()
