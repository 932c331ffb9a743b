"""Layouts in a folder: found at any level, and what is said where nothing is found."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from fusemorph.data import DataError
from fusemorph.data.datasets.abide import NITRC, Abide
from fusemorph.data.datasets.ixi import Ixi
from fusemorph.data.indi import SESSIONS
from fusemorph.data.phantom import write_phantom
from fusemorph.data.walk import bids, find_images, runs_in_order

LAYOUTS = (NITRC, SESSIONS, bids("T1w"))


def test_images_are_found_at_any_level_and_hidden_ones_are_not(tmp_path: Path) -> None:
    Abide.example(tmp_path / "data" / "ABIDE" / "RawData")
    twin = tmp_path / "data/ABIDE/RawData/NYU/0050953/session_1/anat_1/._mprage.nii.gz"
    twin.write_bytes(b"macOS")
    (tmp_path / "data/__MACOSX/NYU/0050953/session_1/anat_1").mkdir(parents=True)
    (tmp_path / "data/__MACOSX/NYU/0050953/session_1/anat_1/mprage.nii.gz").write_bytes(b"macOS")
    found = find_images(tmp_path / "data", LAYOUTS, dataset="abide")
    assert len(found) == 10
    assert {image.layout for image in found} == {"INDI"}
    assert {image["site"] for image in found} == {"NYU", "UM_1"}


def test_links_are_followed_once(tmp_path: Path) -> None:
    Abide.example(tmp_path / "elsewhere")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "NYU").symlink_to(tmp_path / "elsewhere" / "NYU")
    (tmp_path / "elsewhere" / "NYU" / "back").symlink_to(tmp_path / "data")
    found = find_images(tmp_path / "data", LAYOUTS, dataset="abide")
    assert len(found) == len({image.path for image in found}) == 5


@pytest.mark.parametrize("below", ["NYU", "NYU/0050953", "NYU/0050953/session_1/anat_1"])
def test_a_folder_that_is_too_deep_is_answered_with_the_right_one(tmp_path: Path, below: str) -> None:
    data = Abide.example(tmp_path / "ABIDE")["data"]
    with pytest.raises(DataError, match=r"lies inside the folder of abide; name .*ABIDE, so that all of it is found"):
        find_images(data / below, LAYOUTS, dataset="abide")


def test_a_download_that_did_not_finish_is_named_among_others(tmp_path: Path) -> None:
    Abide.example(tmp_path)
    image = tmp_path / "NYU/0050953/session_1/anat_1/mprage.nii.gz"
    image.rename(image.with_name(f"{image.name}.part"))
    with pytest.raises(DataError, match=r"mprage.nii.gz.part: is a download that did not finish"):
        find_images(tmp_path, LAYOUTS, dataset="abide")


def test_two_layouts_in_one_folder_are_named_with_an_example_of_each(tmp_path: Path) -> None:
    for layout in ("INDI", "BIDS"):
        Abide.example(tmp_path / "data", layout)
    with pytest.raises(DataError, match=r"mixes 2 layouts of abide \(BIDS: .*T1w.nii.gz; INDI: .*mprage.nii.gz\)"):
        find_images(tmp_path / "data", LAYOUTS, dataset="abide")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "is empty; see `fusemorph datasets ixi`"),
        (["IXI-T1.tar"], "holds no image of ixi, but 1 files such as IXI-T1.tar: archives: unpack them first"),
        (["IXI002-Guys-0828-T1.nii.gz.part"], "downloads that did not finish: download them again"),
        (["a/1.dcm", "a/2.dcm"], "2 files such as a/1.dcm: DICOM: convert them to NIfTI first"),
        (["Train/subject_0.pkl"], "never unpickled or loaded: download the NIfTI originals"),
        (["notes.txt", "brain.nii.gz"], r"holds no image of ixi \(1 .*see `fusemorph datasets ixi`"),
    ],
)
def test_what_is_there_instead_is_said(tmp_path: Path, names: list[str], message: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    with pytest.raises(DataError, match=message):
        Ixi(folder, cache=tmp_path / "cache")
    with pytest.raises(DataError, match="nowhere: no such folder"):
        Ixi(tmp_path / "nowhere", cache=tmp_path / "cache")


class _Trap:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    Ixi.example(folder)
    (folder / "subject_0.pkl").write_bytes(pickle.dumps(_Trap(tmp_path / "sprung")))
    (folder / "IXI099-HH-0001-T1.nii.gz").write_bytes(pickle.dumps(_Trap(tmp_path / "sprung")))
    dataset = Ixi(folder, cache=tmp_path / "cache", spacing_mm=1.0, shape=[24, 28, 24], align="none")
    with pytest.raises(DataError, match=r"IXI099-HH-0001-T1.nii.gz: must be a NIfTI image in one file .* is no NIfTI"):
        dataset.prepare()
    assert not (tmp_path / "sprung").exists()
    pickle.loads((folder / "subject_0.pkl").read_bytes())
    assert (tmp_path / "sprung").exists()


def test_runs_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for run in (10, 2, 1):
        write_phantom(tmp_path / f"sub-01/anat/sub-01_acq-a_run-{run}_T1w.nii.gz", rng=rng, shape=(8, 8, 8))
    found = runs_in_order(find_images(tmp_path, (bids("T1w"),), dataset="bids"))
    assert [image.path.name for image in found] == [f"sub-01_acq-a_run-{run}_T1w.nii.gz" for run in (1, 2, 10)]
    assert [image["subject"] for image in found] == ["01"] * 3
