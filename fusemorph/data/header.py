"""The header of a NIfTI file, and where it says that the image lies: the one place where this is decided.

A header may hold two maps from voxels to millimetres, sform and qform, and readers differ in which they follow. Ours
is ITK's rule, since displacement fields are read there: the sform if its code is 1 or the qform's is 0, else the
qform; without either, axes along those of LPS and the first voxel at the origin. nibabel and FSL take the sform
whenever it has a code.

Sources: NIfTI-1 (nifti1.h, 2007); ``itk::NiftiImageIO`` of ITK 5.4, against which the tests compare.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np

from fusemorph.data.errors import DataError

Form = Literal["sform", "qform"]

HEADER_BYTES = 544
"""The longer header (NIfTI-2) with its flags of extensions."""
APART_VOXELS = 0.1
"""Two readers that place an image farther apart than this many of its voxels disagree; below, it is rounding."""
EXACT_MM = 1e-3

_MAGIC: dict[bytes, Any] = {b"n+1\0": nib.Nifti1Header, b"n+2\0": nib.Nifti2Header}
_UNIT_MM = {1: 1000.0, 3: 0.001}
_UNIT_NAME = {1: "metre", 3: "micron"}
_ITK_SKEW = 1e-4
_FLAT = 0.01
"""The least volume of a voxel, against a box of its edges: below it, the affine is singular but for rounding."""
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, kw_only=True)
class Header:
    """A checked header: ``shape`` as stored, less axes of one voxel after the third; ``affine`` (4x4) to RAS mm.

    ``forms`` are the maps that the header has a code for, ``itk`` and ``nibabel`` what these two make of it, None where
    they refuse it. All are in mm, whatever the unit of the file.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    scaling: tuple[float, float]
    unit: str
    affine: np.ndarray
    forms: dict[str, np.ndarray]
    itk: np.ndarray | None
    nibabel: np.ndarray | None
    frames: int = 1
    """How many volumes of ``shape`` the file holds, one after the other."""

    @property
    def end(self) -> int:
        """How many bytes the file holds, unpacked."""
        return self.offset + self.frames * self.frame_bytes

    @property
    def frame_bytes(self) -> int:
        """The size of one volume."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Distance between voxels along the axes as stored."""
        return tuple(np.linalg.norm(self.affine[:3, : len(self.shape)], axis=0).tolist())

    @cached_property
    def apart_mm(self) -> float:
        """How far apart ITK and nibabel place a voxel of this image at most; infinite where one refuses it."""
        if self.itk is None or self.nibabel is None:
            return math.inf
        return farthest_mm(self.itk, self.nibabel, self.shape)

    @property
    def ambiguous(self) -> bool:
        """Whether the two place it more than a tenth of a voxel apart, by different forms and not for want of any."""
        return bool(self.forms) and not self.apart_mm <= APART_VOXELS * min(self.spacing_mm)

    @property
    def plain(self) -> bool:
        """Whether the affine is the one that nibabel reads, so that both rules give the same arrays."""
        return not self.unit and self.nibabel is not None and np.array_equal(self.affine, self.nibabel)

    def notes(self) -> list[str]:
        """What is worth knowing of where this image lies: nothing, in most files."""
        found = [f"its unit is the {self.unit}, taken as {_mm(self.unit):g} mm"] if self.unit else []
        if not self.forms:
            found.append(f"has neither sform nor qform (both codes are 0): taken as ITK does, {_words(self.affine)}")
        elif self.ambiguous:
            found.append(self.disagreement())
        elif self.apart_mm > EXACT_MM:
            found.append(f"ITK and nibabel place it {self.apart_mm:.2g} mm apart; taken as ITK does")
        return found

    def disagreement(self) -> str:
        """Where ITK and where nibabel place the image, in words."""
        if self.itk is None:
            cause = "qform is not finite" if "qform" in self.forms else "sform is sheared and it has no qform"
            return f"its {cause}, so that ITK does not read it; nibabel reads {_words(self.nibabel)}"
        if self.nibabel is None:
            return f"nibabel does not read its {next(iter(self.forms))}; ITK reads {_words(self.itk)}"
        return (
            f"ITK and nibabel place it {self.apart_mm:.3g} mm apart: "
            f"ITK reads {_words(self.itk)}, nibabel {_words(self.nibabel)}"
        )


def parse_header(block: bytes, path: Path, *, series: bool | None = False) -> Header:
    """The header that a file begins with; ``series``: of a 4-D one, whose last axis counts ``frames``, None for either.

    An affine that cannot be stays for ``check_affine`` where the other form is sound.

    Raises:
        DataError: not a NIfTI in one file, no 2-D or 3-D image (4-D where a series is due), or sizes, scaling or affine
            that cannot be.
    """
    raw = _raw_header(block, path)
    shape, frames = _shape(raw, path, series=series)
    signed = _mend_pixdim(raw)
    code = int(raw["xyzt_units"]) & 7
    to_mm = np.array([[_UNIT_MM.get(code, 1.0)]] * 3 + [[1.0]])
    forms = _forms(raw)
    affine = _by_rule(raw, forms)
    itk, nibabel = _itk(signed, forms, affine), _nibabel(raw)
    if not any(map(_sound, (affine, *forms.values()))):
        check_affine(affine, path)
    try:
        dtype, (slope, inter) = raw.get_data_dtype(), raw.get_slope_inter()
    except (KeyError, nib.spatialimages.HeaderDataError) as error:
        raise DataError(f"{path}: the header must give a type and a scaling of numbers, gives {error}") from error
    offset = float(raw["vox_offset"])
    least = 352 if raw.sizeof_hdr == 348 else HEADER_BYTES
    if offset and not (least <= offset < 2**31):
        raise DataError(f"{path}: the data must begin at byte {least} or later, the header says {offset:g}")
    return Header(
        path=path,
        shape=shape,
        dtype=dtype,
        offset=int(offset) or least,
        scaling=(1.0 if slope is None else slope, 0.0 if inter is None else inter),
        unit=_UNIT_NAME.get(code, ""),
        affine=to_mm * affine,
        forms={name: to_mm * form for name, form in forms.items()},
        itk=None if itk is None else to_mm * itk,
        nibabel=None if nibabel is None else to_mm * nibabel,
        frames=frames,
    )


def farthest_mm(first: np.ndarray, second: np.ndarray, shape: tuple[int, ...]) -> float:
    """How far apart two affines place a voxel of a grid at most; it is one of the corners."""
    ends = [(0, side - 1) for side in (*shape, 1, 1)[: len(first) - 1]]
    corners = np.stack([axis.ravel() for axis in np.meshgrid(*ends)] + [np.ones(2 ** len(ends))])
    with np.errstate(all="ignore"):
        away = np.linalg.norm(((first - second) @ corners)[:-1], axis=0).max()
    return float(away) if np.isfinite(away) else math.inf


def rigid(affine: np.ndarray) -> np.ndarray:
    """The nearest affine whose axes are orthogonal, with the same spacing and first voxel."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    left, _, right = np.linalg.svd(affine[:3, :3] / spacing)
    nearest = affine.copy()
    nearest[:3, :3] = left @ right * spacing
    return nearest


def _raw_header(block: bytes, path: Path) -> Any:
    kind: Any = None
    for at, length in ((344, 348), (4, 540)):
        if len(block) >= length and (kind := _MAGIC.get(block[at : at + 4])):
            break
    else:
        advice = "the header of a pair" if block[344:347] in (b"ni1", b"ni2") else "no NIfTI"
        raise DataError(f"{path}: must be a NIfTI image in one file (.nii or .nii.gz), is {advice}")
    try:
        return kind(block[:length], check=False)
    except Exception as error:  # nibabel and NumPy fail on such headers in ways that they do not list
        raise DataError(f"{path}: the header cannot be read ({error})") from error


def _shape(raw: Any, path: Path, *, series: bool | None) -> tuple[tuple[int, ...], int]:
    count = int(raw["dim"][0])
    dims = [int(side) for side in raw["dim"][1 : 1 + max(0, min(count, 7))]]
    if not 1 <= count <= 7 or min(dims) < 1:
        raise DataError(f"{path}: the header must give 1 to 7 sides of 1 or more, gives {count} of {dims}")
    while len(dims) > 3 and dims[-1] == 1:
        dims.pop()
    if series is not False and len(dims) == 4:
        return tuple(dims[:3]), dims[3]
    if series:
        raise DataError(f"{path}: must be a 4-D series of volumes, got shape {tuple(dims)}")
    if not 2 <= len(dims) <= 3:
        raise DataError(f"{path}: must be one 3-D volume or 2-D slice, got shape {tuple(dims)}")
    return tuple(dims), 1


def _mend_pixdim(raw: Any) -> np.ndarray:
    """Mend sizes of voxels that say nothing (0 and what is not finite become 1); return them with their signs.

    nibabel drops the sign, ITK mirrors the image.
    """
    signed = np.asarray(raw["pixdim"], np.float64)
    signed[~np.isfinite(signed) | (signed == 0)] = 1
    raw["pixdim"] = [-1 if signed[0] < 0 else 1, *np.abs(signed[1:])]
    return signed[1:4]


def _forms(raw: Any) -> dict[str, np.ndarray]:
    forms = {}
    if raw["sform_code"] > 0:
        forms["sform"] = np.asarray(raw.get_sform(), np.float64)
    if raw["qform_code"] > 0:
        forms["qform"] = _qform(raw)
    return forms


def _qform(raw: Any) -> np.ndarray:
    """The qform; of a quaternion longer than 1, which nibabel refuses, what NIfTI's own library makes of it."""
    vector = np.asarray([raw[f"quatern_{axis}"] for axis in "bcd"], np.float64)
    with np.errstate(all="ignore"):
        length = float(np.sqrt(vector @ vector))
        vector = vector / max(length, 1.0)
        rotation = nib.quaternions.quat2mat([math.sqrt(max(0.0, 1 - float(vector @ vector))), *vector])
    form = np.eye(4)
    form[:3, :3] = rotation * np.asarray(raw["pixdim"][1:4], np.float64) * [1, 1, raw["pixdim"][0]]
    form[:3, 3] = [raw[f"qoffset_{axis}"] for axis in "xyz"]
    return form


def _by_rule(raw: Any, forms: dict[str, np.ndarray]) -> np.ndarray:
    if "sform" in forms and (int(raw["sform_code"]) == 1 or "qform" not in forms):
        return forms["sform"]
    return forms.get("qform", _LPS @ np.diag([*np.asarray(raw["pixdim"][1:4], np.float64), 1.0]))


def _itk(spacing: np.ndarray, forms: dict[str, np.ndarray], form: np.ndarray) -> np.ndarray | None:
    """What ITK reads: directions of the form that it takes, spacing from a field of its own, and no shear."""
    if form is forms.get("sform") and _skewed(form):
        alike = "qform" in forms and np.allclose(form, forms["qform"], rtol=0, atol=1e-5)
        if "qform" not in forms:
            return None
        form = form if alike else forms["qform"]
    affine = form.copy()
    with np.errstate(all="ignore"):
        affine[:3, :3] *= spacing / np.linalg.norm(form[:3, :3], axis=0)
    return affine if np.isfinite(affine).all() else None


def _skewed(form: np.ndarray) -> bool:
    with np.errstate(all="ignore"):
        axes = (form[:3, :3] / np.linalg.norm(form[:3, :3], axis=0)).astype(np.float32)
        return not bool(np.abs(axes @ axes.T - np.eye(3)).max() <= _ITK_SKEW)


def _nibabel(raw: Any) -> np.ndarray | None:
    try:
        affine = np.asarray(raw.get_best_affine(), np.float64)
    except (ValueError, nib.spatialimages.HeaderDataError):
        return None
    return affine if np.isfinite(affine).all() else None


def check_affine(affine: np.ndarray, path: Path, *, name: str = "affine") -> None:
    """Refuse a map to millimetres that is not finite, or that flattens the voxels; ``name`` is its name in the message.

    Raises:
        DataError: naming the file.
    """
    if not _sound(affine):
        raise DataError(f"{path}: the {name} must be finite and invertible, got {affine.tolist()}")


def _sound(affine: np.ndarray) -> bool:
    with np.errstate(all="ignore"):
        edges = np.linalg.norm(affine[:3, :3], axis=0)
        volume = abs(np.linalg.det(affine[:3, :3] / edges))
    return bool(np.isfinite(affine).all() and edges.min() > 0 and volume >= _FLAT)


def _mm(unit: str) -> float:
    return next(_UNIT_MM[code] for code, name in _UNIT_NAME.items() if name == unit)


def _words(affine: np.ndarray | None) -> str:
    """An affine by its first voxel, its axes and its spacing."""
    if affine is None:
        return "nothing"
    axes = "".join(axis or "?" for axis in nib.aff2axcodes(affine))
    places = (affine[:3, 3], np.linalg.norm(affine[:3, :3], axis=0))
    first, spacing = (", ".join(f"{value:.6g}" for value in values) for values in places)
    return f"the first voxel at ({first}) mm, axes {axes}, spacing ({spacing}) mm"
