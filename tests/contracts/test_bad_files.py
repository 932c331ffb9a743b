"""A bad file of any data set is named before training starts."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fusemorph.data import DataError
from tests.contracts.dataset_example import NAMES, UNLABELLED, Example, kind, opened


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_header(path: Path) -> None:
    """Set the offset of the voxels to infinity, whose integer Python refuses; in MGH, the type of voxels to none."""
    content = gzip.decompress(path.read_bytes()) if path.suffix in (".gz", ".mgz") else path.read_bytes()
    if path.suffix == ".mgz":
        path.write_bytes(gzip.compress(content[:20] + b"\0\0\0\x63" + content[24:]))
        return
    if path.suffix == ".nii":
        path.write_bytes(content[:108] + np.float32(np.inf).tobytes() + content[112:])
        return
    path.write_bytes(gzip.compress(content[:108] + np.float32(np.inf).tobytes() + content[112:]))


def rewrite(alter: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        image = opened(path)
        type(image)(alter(np.asarray(image.dataobj)), image.affine).to_filename(path)

    return damage


def with_nan(array: np.ndarray) -> np.ndarray:
    array = array.astype(np.float32)
    array[3, 3, 3] = np.nan
    return array


def moved(path: Path) -> None:
    image = opened(path)
    type(image)(np.asarray(image.dataobj), image.affine @ np.diag([2, 1, 1, 1])).to_filename(path)


BAD_FILES: dict[str, tuple[int, Callable[[Path], object], str]] = {
    "missing image": (0, Path.unlink, "label without image"),
    "missing label": (1, Path.unlink, "image without label"),
    "truncated": (0, truncate, "truncated|damaged"),
    "empty": (0, lambda path: path.write_bytes(b""), "is no NIfTI"),
    "no NIfTI": (0, lambda path: path.write_text("no image"), "is no NIfTI"),
    "corrupt header": (
        0,
        damage_header,
        "the data must begin at byte 352 or later, the header says inf|the header cannot be read",
    ),
    "corrupt label": (
        1,
        damage_header,
        "the data must begin at byte 352 or later, the header says inf|the header cannot be read",
    ),
    "truncated label": (1, truncate, "truncated|damaged"),
    "label shape": (1, rewrite(lambda array: array[:-1]), r"label grid \(\d+, \d+, \d+\) is unlike"),
    "label affine": (1, moved, "label grid is unlike the one of .*mm apart"),
    "label fractions": (1, rewrite(lambda array: array.astype(np.float32) / 2), "labels must be whole numbers"),
    "4-D": (0, rewrite(lambda array: np.stack([array, array], axis=-1)), "must be (one 3-D|a 4-D series of) volume"),
    "2-D": (0, rewrite(lambda array: array[:, :, 0]), "must be (3-D|a 4-D series)"),
    "NaN": (0, rewrite(with_nan), "must be finite, got 1 NaN or infinite voxels"),
    "constant": (0, rewrite(lambda array: np.full_like(array, 7)), "must not be constant, got 7 everywhere"),
    "small": (0, rewrite(lambda array: array[:7]), r"must have 8 voxels or more a side, got shape \(.*\b7\b"),
}


CASES = [
    (name, bad)
    for name in NAMES
    for bad in BAD_FILES
    if not kind(name).synthetic and not (name in UNLABELLED and (BAD_FILES[bad][0] or bad == "missing image"))
]


@pytest.mark.parametrize(("name", "bad"), CASES)
def test_a_bad_file_is_named_before_training(
    name: str, bad: str, written: Callable[..., Example], tmp_path: Path
) -> None:
    example = written(name).copied(tmp_path / "data")
    dataset = example.open()
    which, damage, message = BAD_FILES[bad]
    for split in ("train", "test"):
        files = dataset.files(dataset.scan_ids(split)[1])
        kept = files[which].read_bytes()
        damage(files[which])
        with pytest.raises(DataError, match=message) as caught:
            example.open().prepare()
        assert files[which].name in str(caught.value)
        files[which].write_bytes(kept)
