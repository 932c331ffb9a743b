"""Image files: read to the last byte before a voxel is believed, and written so that all readers place them alike."""

import errno
import gzip
import io
import math
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy

from fusemorph.bounds import file_problem, memory_problem, size
from fusemorph.data.errors import DataError, out_of_descriptors
from fusemorph.data.header import (
    APART_VOXELS,
    EXACT_MM,
    HEADER_BYTES,
    Form,
    Header,
    check_affine,
    farthest_mm,
    parse_header,
    rigid,
)
from fusemorph.data.mgh import is_mgh, parse_mgh
from fusemorph.storage import StorageError, write_bytes

SPARE_BYTES = 2**20
"""What may follow the voxels, as some programs leave; more is a file that its header does not describe."""
LONGEST_SIDE = 32767
_GZIP = b"\x1f\x8b"

Place = Callable[[Header], Header]
"""Refuses a header, or changes where it says that the image lies."""


def read_header(path: Path, *, series: bool | None = False) -> Header:
    """The header alone; ``series``: of a 4-D file, None for either.

    Raises:
        DataError: missing, no ordinary file, or of ``parse_header``.
        StorageError: too many files are open.
    """
    with _unpacked(path) as file:
        return _parse(file.read(HEADER_BYTES), path, series=series)


def read_nifti(path: Path, *, frame: int | None = None) -> tuple[Header, np.ndarray]:
    """Header and array, scaled as the header says, in the order of the file; the file is read to its end.

    Whether it is compressed, and whether it is NIfTI or FreeSurfer's MGH, is told by its first bytes, not by its name;
    the checksums of gzip are verified. ``frame``: which volume of a 4-D series, counted from 0.

    Raises:
        DataError: as in ``read_header``; truncated, damaged, or larger than the memory that is there; no such frame.
        StorageError: too many files are open.
    """
    with _unpacked(path) as file:
        head = file.read(HEADER_BYTES)
        header = _parse(head, path, series=frame is not None)
        if not 0 <= (frame or 0) < header.frames:
            raise DataError(f"{path}: has the frames 0 to {header.frames - 1}, frame {frame} is asked for")
        # The bytes of the file, the array with its scaling in float64, and the float32 that it becomes.
        if problem := memory_problem(header.end + 12 * math.prod(header.shape)):
            raise DataError(f"{path}: the image of {'x'.join(map(str, header.shape))} voxels {problem}")
        content = head + file.read(max(0, header.end - len(head)))
        if len(content) < header.end:
            raise DataError(f"{path}: truncated: {len(content)} of the {header.end} bytes that its header says")
        _read_on(file, path, header.end)
    spec = (header.shape, header.dtype, header.offset + (frame or 0) * header.frame_bytes, *header.scaling)
    with np.errstate(all="ignore"):  # what overflows is found by whoever asks for finite values
        return header, np.asanyarray(ArrayProxy(io.BytesIO(content), spec))


def _parse(block: bytes, path: Path, *, series: bool | None = False) -> Header:
    return parse_mgh(block, path) if is_mgh(block) else parse_header(block, path, series=series)


def _read_on(file: io.BufferedIOBase, path: Path, end: int) -> None:
    """Come to the end of the file, where gzip compares checksum and length."""
    spare = 0
    while chunk := file.read(SPARE_BYTES):
        spare += len(chunk)
        if spare > SPARE_BYTES:
            raise DataError(f"{path}: goes on for more than {size(SPARE_BYTES)} after the {end} bytes of its header")


@contextmanager
def _unpacked(path: Path) -> Iterator[io.BufferedIOBase]:
    try:
        if problem := file_problem(path):
            raise DataError(f"{path}: {problem}")
        with path.open("rb") as file:
            if file.peek(2)[:2] == _GZIP:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield unpacked
            else:
                yield file
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, EOFError, zlib.error) as error:
        if out_of_descriptors(error):
            raise StorageError(errno.EMFILE, f"cannot read {path}: {error}") from error
        raise DataError(f"{path}: unreadable or truncated NIfTI ({error})") from error


def by_rule(header: Header) -> Header:
    """Take an image to lie where the rule of ``fusemorph.data.header`` says.

    Raises:
        DataError: that is nowhere.
    """
    check_affine(header.affine, header.path)
    return header


def settle(header: Header, *, form: Form | None = None) -> Header:
    """Where an image is taken to lie by whoever writes on its grid: where ITK reads it, if other readers agree.

    Where ITK and nibabel disagree, ``form`` says which of the two forms is right; one that is not at right angles, but
    for rounding, is made so.

    Raises:
        DataError: they disagree and no form is chosen, or one that the header lacks, that is sheared or singular.
    """
    if not header.ambiguous:
        return by_rule(header if header.itk is None else replace(header, affine=header.itk))
    if form is None:
        choice = " or ".join(f"--header {name}" for name in header.forms)
        raise DataError(f"{header.path}: {header.disagreement()}; say which form is right by {choice}")
    if form not in header.forms:
        raise DataError(f"{header.path}: has no {form} (its code is 0), but {' and '.join(header.forms)}")
    check_affine(header.forms[form], header.path, name=form)
    affine = rigid(header.forms[form])
    away_mm = farthest_mm(affine, header.forms[form], header.shape)
    if away_mm > APART_VOXELS * min(header.spacing_mm):
        raise DataError(
            f"{header.path}: its {form} is sheared by {away_mm:.3g} mm, and ITK, which reads the displacement, has no "
            "header for a sheared grid; resample the image to a grid at right angles first"
        )
    return replace(header, affine=affine)


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray, *, vector: bool = False) -> None:
    """Write an array with its affine (4x4, to RAS mm) in sform and qform alike, both with code 1; compressed as named.

    ``vector``: the last axis holds the components of a displacement, whose intent ITK looks for.

    Raises:
        StorageError: the storage refuses.
    """
    image = nib.Nifti1Image(array, None, _header_of(array.shape, affine, array.dtype))
    if vector:
        image.header.set_intent("vector")
    content = image.to_bytes()
    write_bytes(path, gzip.compress(content, compresslevel=6, mtime=0) if path.name.endswith(".gz") else content)


def unwritable(affine: np.ndarray, shape: tuple[int, ...]) -> str | None:
    """Why no header puts a grid where ``affine`` does, for ITK and for nibabel, to 0.001 mm; None where one does."""
    if max(shape) > LONGEST_SIDE:
        return f"a side of {max(shape)} voxels, where NIfTI-1 (which ITK reads) has at most {LONGEST_SIDE}"
    read = parse_header(_header_of(shape, affine, np.dtype(np.float32)).binaryblock, Path("header"))
    sheared_mm = farthest_mm(rigid(affine), affine, shape)
    for affine_read in (read.itk, read.nibabel):
        if affine_read is None or farthest_mm(affine_read, affine, shape) > EXACT_MM:
            if sheared_mm > EXACT_MM:
                return f"its axes are not at right angles (a shear of {sheared_mm:.3g} mm), which ITK has no header for"
            return "its numbers are too large for the header of NIfTI-1, whose numbers have 7 digits"
    # In a plane of its own, ITK keeps of an image the first two coordinates alone.
    if len(shape) == 2 and np.abs(affine[2, :2] * (np.asarray(shape) - 1)).max() > EXACT_MM:
        return "its plane is not axial, and of a 2-D file ITK reads x and y alone; store it as a 3-D file of one slice"
    return None


def _header_of(shape: tuple[int, ...], affine: np.ndarray, dtype: np.dtype) -> nib.Nifti1Header:
    header = nib.Nifti1Header()
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    header.set_qform(rigid(affine), 1)
    header.set_sform(affine, 1)
    header.set_xyzt_units("mm")
    return header
