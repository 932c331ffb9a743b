"""How the axes of an image lie whose header is known to be wrong, by comparison with another image of the same scan."""

from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from fusemorph.data.cache import cached_arrays, content_digest
from fusemorph.data.listing import directions
from fusemorph.data.nifti import by_rule, read_nifti
from fusemorph.data.preprocess import background, read_volume

VERSION = 1
SIDE = 32
"""Of the cube, in voxels, in which the two are compared: brains are told from their turned selves by far less."""


def true_axes(image: Path, reference: Path, *, cache: Path) -> str:
    """The directions of an image's stored axes, such as ``LSA``, under which it is most like the reference.

    Of the 24 that have the handedness of its header: left and right, which a brain hardly tells apart, follow from it.
    Both must show a brain without skull. Remembered in the cache.

    Raises:
        DataError: one of them cannot be read.
    """
    sources = {path: content_digest(path, cache=cache) for path in (image, reference)}
    key = {"axes": list(sources.values()), "version": VERSION}
    made = cached_arrays(key, lambda: {"axes": _compare(image, reference)}, sources=sources, cache=cache)
    return bytes(made["axes"]).decode()


def _compare(image: Path, reference: Path) -> np.ndarray:
    header, array = read_nifti(image)
    header = by_rule(header)
    spacing = np.linalg.norm(header.affine[:3, :3], axis=0)
    stored = _cube(np.asarray(array, np.float32), spacing)
    right = read_volume(reference)
    wanted = _cube(np.asarray(right.array, np.float32), np.asarray(right.spacing_mm))
    handedness = np.sign(np.linalg.det(header.affine[:3, :3]))
    axes = [axes for axes in _all_axes() if np.sign(np.linalg.det(directions(axes))) == handedness]
    best = max(axes, key=lambda axes: float(np.vdot(_turned(stored, axes), wanted)))
    return np.frombuffer(best.encode(), dtype=np.uint8)


def _all_axes() -> list[str]:
    pairs = permutations(("RL", "AP", "SI"))
    return ["".join(codes) for order in pairs for codes in product(*order)]


def _turned(cube: np.ndarray, axes: str) -> np.ndarray:
    orientation = nib.orientations.axcodes2ornt(tuple(axes))
    return np.asarray(nib.orientations.apply_orientation(cube, orientation))


def _cube(array: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """The foreground's box in the middle of a cube of ``SIDE`` voxels, with zero mean and unit length."""
    places = np.argwhere(array > background(array))
    first, last = places.min(axis=0), places.max(axis=0)
    step = ((last - first + 1) * spacing_mm).max() / SIDE / spacing_mm
    offset = (first + last) / 2 - step * (SIDE - 1) / 2
    cube = ndimage.affine_transform(array, step, offset, (SIDE,) * 3, order=1, mode="constant", cval=float(array.min()))
    cube = cube - cube.mean()
    return np.asarray(cube / max(float(np.linalg.norm(cube)), 1e-12))
