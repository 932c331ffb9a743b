"""Files that are damaged, truncated, or larger than they say: named before a voxel is believed."""

import gzip
import os
import struct
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fusemorph import bounds
from fusemorph.data import DataError
from fusemorph.data.nifti import read_nifti
from fusemorph.data.preprocess import read_image
from tests.data.made_headers import write_raw

ARRAY = np.random.default_rng(0).standard_normal((12, 13, 14)).astype(np.float32)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "x.nii.gz"
    nib.Nifti1Image(ARRAY, np.eye(4)).to_filename(path)
    return path


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz", "X.NII.GZ", "x.dat"])
@pytest.mark.parametrize("members", [0, 1, 2])
def test_content_and_not_the_name_says_what_is_compressed(name: str, members: int, tmp_path: Path) -> None:
    content = nib.Nifti1Image(ARRAY, np.eye(4)).to_bytes()
    parts = {
        0: [content],
        1: [gzip.compress(content)],
        2: [gzip.compress(content[:1000]), gzip.compress(content[1000:])],
    }
    (tmp_path / name).write_bytes(b"".join(parts[members]))
    assert np.array_equal(read_nifti(tmp_path / name)[1], ARRAY)


def test_every_wrong_byte_of_a_compressed_file_is_found(packed: Path) -> None:
    content = packed.read_bytes()
    rng = np.random.default_rng(1)
    end = len(content) - 8  # of the voxels; checksum and length follow
    for at in [*rng.integers(20, end, 25).tolist(), *range(end, len(content))]:
        packed.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        with pytest.raises(DataError, match=r"x\.nii\.gz: "):
            read_nifti(packed)


@pytest.mark.parametrize("lost", [1, 4, 8, 9, 2000])
def test_a_compressed_file_without_its_end_is_named(packed: Path, lost: int) -> None:
    packed.write_bytes(packed.read_bytes()[:-lost])
    with pytest.raises(DataError, match=r"x\.nii\.gz: (unreadable or truncated|truncated)"):
        read_nifti(packed)


@pytest.mark.parametrize("lost", [1, 4000, len(ARRAY.tobytes())])
def test_a_file_without_its_end_is_named(lost: int, tmp_path: Path) -> None:
    path = tmp_path / "x.nii"
    path.write_bytes(nib.Nifti1Image(ARRAY, np.eye(4)).to_bytes()[:-lost])
    with pytest.raises(DataError, match=r"x\.nii: truncated: \d+ of the 9088 bytes"):
        read_nifti(path)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.nii"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(DataError, match=rf"x\.nii: must be a file, is a {kind}"):
        read_nifti(path)


def test_a_header_of_more_than_the_memory_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "x.nii.gz"
    content = bytearray(nib.Nifti1Image(ARRAY, np.eye(4)).to_bytes())
    struct.pack_into("<4h", content, 40, 3, 32000, 32000, 32000)
    path.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(DataError, match=r"x\.nii\.gz: the image of 32000x32000x32000 voxels needs 476\.8 TiB"):
        read_nifti(path)


def test_a_small_file_that_unpacks_to_more_than_its_header_is_refused(packed: Path) -> None:
    packed.write_bytes(packed.read_bytes() + gzip.compress(bytes(2**26), compresslevel=9))
    with pytest.raises(DataError, match=r"x\.nii\.gz: goes on for more than 1 MiB after the 9088 bytes of its header"):
        read_nifti(packed)


def test_a_container_counts_as_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, packed: Path) -> None:
    for name, text in (("memory.max", "9000000"), ("memory.current", "8995000"), ("memory.stat", "inactive_file 2000")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(bounds, "_CGROUPS", ((tmp_path, "memory.max", "memory.current", "inactive_file"),))
    assert bounds.available_bytes() == 7000
    with pytest.raises(DataError, match=r"needs 34\.4\d KiB of memory, 6\.83\d KiB are free"):
        read_nifti(packed)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1e39], r"must lie in the range of float32"),
        ([-3e38, 3e38], r"must lie in the range of float32, got -3e\+38 to 3e\+38"),
        ([np.nan, np.inf], r"must be finite, got 2 NaN or infinite voxels"),
    ],
)
def test_intensities_that_float32_cannot_hold_are_named(values: list[float], message: str, tmp_path: Path) -> None:
    array = ARRAY.astype(np.float64)
    array.flat[: len(values)] = values
    nib.Nifti1Image(array, np.eye(4)).to_filename(tmp_path / "x.nii")
    with pytest.raises(DataError, match=message):
        read_image(tmp_path / "x.nii")


def test_an_image_beyond_float32_everywhere_is_named_without_a_warning(tmp_path: Path) -> None:
    nib.Nifti1Image(1e60 * (1 + ARRAY.astype(np.float64)), np.eye(4)).to_filename(tmp_path / "x.nii")
    with pytest.raises(DataError, match=r"must lie in the range of float32, got -\d"):
        read_image(tmp_path / "x.nii")


def test_a_scaling_that_overflows_is_named_without_a_warning(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "x.nii", (100 * ARRAY).astype(np.int16), sform=np.eye(4), sform_code=1)
    content = bytearray(path.read_bytes())
    struct.pack_into("<2f", content, 112, 3e38, 0.0)
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="range of float32"):
        read_image(path)


@pytest.mark.parametrize("extension", [struct.pack("<ii", 13, 6) + b"odd..", struct.pack("<ii", -5, 99) + bytes(8)])
def test_extensions_of_odd_sizes_are_passed_over_without_a_warning(extension: bytes, tmp_path: Path) -> None:
    content = bytearray(nib.Nifti1Image(ARRAY, np.eye(4)).to_bytes())
    struct.pack_into("<f", content, 108, 352 + len(extension))
    content[348] = 1
    (tmp_path / "x.nii").write_bytes(bytes(content[:352]) + extension + bytes(content[352:]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert np.array_equal(read_image(tmp_path / "x.nii").array, ARRAY)
    assert caught == []


@pytest.mark.parametrize("magic", [b"ni1\0", b"n+3\0", b"\0\0\0\0"])
def test_what_is_no_nifti_in_one_file_is_named(magic: bytes, tmp_path: Path) -> None:
    content = bytearray(nib.Nifti1Image(ARRAY, np.eye(4)).to_bytes())
    content[344:348] = magic
    (tmp_path / "x.nii").write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"x\.nii: must be a NIfTI image in one file"):
        read_nifti(tmp_path / "x.nii")
