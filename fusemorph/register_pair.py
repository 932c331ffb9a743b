"""Two images registered from Python: NIfTI files or arrays, with a trained trial."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fusemorph.data.dataset import Pair
from fusemorph.data.nifti import settle
from fusemorph.data.preprocess import Volume, read_image
from fusemorph.data.world import pulled_from, read_at, to_voxels
from fusemorph.register import LEAST_SIDE, register_images, start_of_trial, training_images
from fusemorph.register_options import Start
from fusemorph.registered import save
from fusemorph.trials.load import load_trial

Image = Path | str | np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class RegisteredPair:
    """Two registered images: ``warped`` is the moving image on the grid of the fixed one, 0 outside.

    ``displacement_mm``: ``(d, *s)`` in millimetres, from each voxel of the fixed image to its place in the moving one;
    the axes are those of RAS for files, of the array for arrays. The images are in canonical (RAS) order where they
    come from files.
    """

    fixed: Volume
    moving: Volume
    warped: Float[np.ndarray, "*s"]
    displacement_mm: Float[Tensor, "d *s"]

    @property
    def displacement(self) -> Float[Tensor, "d *s"]:
        """The displacement in voxels of the fixed image, as ``fusemorph.warp.warp`` takes it with a batch axis."""
        return to_voxels(self.displacement_mm, affine=self.fixed.affine)

    def save(self, out: Path | str) -> tuple[Path, Path]:
        """Write ``warped.nii.gz`` and ``displacement.nii.gz`` as ``fusemorph register`` does.

        Raises:
            ValueError: the images are arrays, which lie nowhere in space.
        """
        if self.fixed.header is None or self.moving.header is None:
            raise ValueError("RegisteredPair.save(): the images must come from NIfTI files, they are arrays")
        return save(
            Path(out), fixed=self.fixed, moving=self.moving, warped=self.warped, displacement_mm=self.displacement_mm
        )


def register_pair(
    fixed: Image,
    moving: Image,
    *,
    method: Path | str,
    spacing_mm: Sequence[float] | float = 1.0,
    start: Start | None = None,
    device: str = "cpu",
) -> RegisteredPair:
    """Register two NIfTI files, or two arrays, of any shape and spacing, with the trained trial in ``method``.

    ``method`` is a folder ``RUNS/KEY``. ``spacing_mm`` is that of the voxels of arrays, which begin at the same corner;
    files have their own. ``start``: how the two are brought together first (``world``, ``centres``, ``masses``,
    ``affine``), by default as the trial's data were.

    Raises:
        ValueError: an array that is no image, no trial in the folder, or no overlap.
        DataError: a file that cannot be read or placed, named.
    """
    trained, network, record = load_trial(Path(method))
    images = training_images(record, Path(method))
    dims = len(images["spacing_mm"])
    volumes = [_volume(image, name, dims, spacing_mm) for name, image in (("fixed", fixed), ("moving", moving))]
    if network is not None:
        network.to(torch.device(device))

    def estimate(pair: Pair) -> Tensor:
        return trained.registration(pair, network=network, device=torch.device(device)).displacement

    used = start_of_trial(record, Path(method), asked=start)
    displacement_mm = register_images(volumes[0], volumes[1], estimate=estimate, start=used, **images)
    there = pulled_from(volumes[1], fixed=volumes[0], displacement_mm=displacement_mm)
    warped = read_at(volumes[1], there)
    return RegisteredPair(fixed=volumes[0], moving=volumes[1], warped=warped, displacement_mm=displacement_mm)


def _volume(image: Image, name: str, dims: int, spacing_mm: Sequence[float] | float) -> Volume:
    if isinstance(image, Path | str):
        return read_image(Path(image).expanduser(), dimensions=dims, smallest_side=LEAST_SIDE, place=partial(settle))
    array = np.asarray(image, dtype=np.float32)
    spacing = np.broadcast_to(np.asarray(spacing_mm, dtype=np.float64), (dims,)) if np.ndim(spacing_mm) == 0 else None
    spacing = np.asarray(spacing_mm, dtype=np.float64) if spacing is None else spacing
    if array.ndim != dims or min(array.shape) < LEAST_SIDE or not np.isfinite(array).all():
        raise ValueError(
            f"register_pair(): '{name}' must be a finite array with {dims} axes of at least {LEAST_SIDE} voxels, got "
            f"shape {array.shape}"
        )
    if spacing.shape != (dims,) or not (spacing > 0).all():
        raise ValueError(f"register_pair(): 'spacing_mm' must be positive, one number or {dims}, got {spacing_mm}")
    affine = np.diag([*spacing, 1.0])
    return Volume(path=Path(f"<{name} array>"), array=array, affine=affine, spacing_mm=tuple(spacing.tolist()))
