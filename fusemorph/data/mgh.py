"""The header of FreeSurfer's MGH files (``.mgz`` compressed, ``.mgh``), read as that of a NIfTI file is."""

import struct
from pathlib import Path

import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader

from fusemorph.data.errors import DataError
from fusemorph.data.header import Header, check_affine

OFFSET = 284
"""Where the voxels begin, after a header of fixed size."""
_VERSION = b"\0\0\0\1"


def is_mgh(block: bytes) -> bool:
    """Whether a file begins as MGH files do: with version 1 and four sides of one voxel or more, all big-endian."""
    return block[:4] == _VERSION and len(block) >= OFFSET and min(struct.unpack(">4i", block[4:20])) >= 1


def parse_mgh(block: bytes, path: Path) -> Header:
    """The header that an MGH file begins with; the format knows one map to millimetres, which all readers take.

    Raises:
        DataError: no 3-D image, a type of voxels that the format does not know, or an affine that cannot be.
    """
    raw = MGHHeader(block[:OFFSET], check=False)
    *shape, frames = (int(side) for side in raw["dims"])
    if frames != 1:
        raise DataError(f"{path}: must be one 3-D volume, got shape {(*shape, frames)}")
    try:
        dtype, affine = raw.get_data_dtype(), np.asarray(raw.get_affine(), np.float64)
    except (KeyError, ValueError) as error:
        raise DataError(f"{path}: the header cannot be read ({error})") from error
    check_affine(affine, path)
    return Header(
        path=path,
        shape=tuple(shape),
        dtype=dtype,
        offset=OFFSET,
        scaling=(1.0, 0.0),
        unit="",
        affine=affine,
        forms={"sform": affine},
        itk=affine,
        nibabel=affine,
    )
