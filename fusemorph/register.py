"""``fusemorph register``: a trained trial applied to two NIfTI images of any shape, spacing and orientation."""

import argparse
import gzip
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from nibabel.orientations import apply_orientation, io_orientation, ornt_transform
from nibabel.spatialimages import SpatialImage
from torch import Tensor

from fusemorph.catalogue import add_folders, add_option
from fusemorph.data.dataset import Pair, Scan
from fusemorph.data.preprocess import Volume, normalise, read_image, read_labels, resample
from fusemorph.data.world import (
    LPS,
    centre_mm,
    check_overlap,
    coordinates_in,
    pulled_from,
    read_at,
    read_labels_at,
    to_mm,
    to_voxels,
)
from fusemorph.grid import sample
from fusemorph.metrics.dice import dice_per_label
from fusemorph.metrics.regularity import folding_fraction, ndv_fraction, sd_log_jacobian
from fusemorph.metrics.surface import surface_distances
from fusemorph.records import write_bytes
from fusemorph.trials.load import load_trial

Estimate = Callable[[Pair], Tensor]
"""From two scans on one grid to the displacement ``(1, d, *s)`` in its voxels."""

Start = Literal["world", "centres"]


def register_images(
    fixed: Volume,
    moving: Volume,
    *,
    estimate: Estimate,
    spacing_mm: Sequence[float],
    percentiles: Sequence[float],
    start: Start = "world",
) -> Float[Tensor, "3 *s"]:
    """Displacement in RAS millimetres on the fixed image's grid, estimated at the spacing of the training.

    Both images are resampled and normalised as in training; the moving one is then read on the grid of the fixed one,
    through the affines, 0 where it has no voxels. ``estimate`` sees the two as a pair. ``start="centres"`` first moves
    the middle of the moving grid onto that of the fixed one, as data sets do that pad scans around their centres.

    Raises:
        ValueError: the images do not overlap in space (where they start from it), or the estimate is not finite.
    """
    offset_mm = centre_mm(moving) - centre_mm(fixed) if start == "centres" else np.zeros(3)
    if start == "world":
        check_overlap(fixed, moving)
    fixed_in, moving_in = (normalise(resample(volume, spacing_mm), percentiles) for volume in (fixed, moving))
    there = fixed_in.affine.copy()
    there[:3, 3] += offset_mm
    moving_there = read_at(moving_in, coordinates_in(moving_in, grid=replace(fixed_in, affine=there)))
    scans = [
        Scan(id=name, person=name, image=image, labels=None, spacing_mm=fixed_in.spacing_mm, affine=fixed_in.affine)
        for name, image in (("fixed", fixed_in.array), ("moving", moving_there))
    ]
    displacement = estimate(Pair(split="", fixed=scans[0], moving=scans[1], block="")).cpu()
    if not torch.isfinite(displacement).all():
        raise ValueError(f"the method gave a displacement that is not finite for {fixed.path} and {moving.path}")
    voxels = sample(displacement, coordinates_in(fixed_in, grid=fixed)[None])[0]
    return (to_mm(voxels, affine=fixed_in.affine) + torch.from_numpy(offset_mm).view(3, 1, 1, 1)).float()


def training_images(record: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """Spacing and percentiles of the images that a trial was trained on, from its record.

    A dataset without a setting of percentiles takes the 1st and 99th.

    Raises:
        ValueError: the images were not 3-D.
    """
    spacing_mm = record["spacing_mm"]
    if len(spacing_mm) != 3:
        raise ValueError(f"the method must be a trial on 3-D images, got one at {spacing_mm} mm")
    percentiles = record["configuration"]["dataset"].get("percentiles", (1.0, 99.0))
    return {"spacing_mm": tuple(map(float, spacing_mm)), "percentiles": tuple(map(float, percentiles))}


def save(
    out: Path, *, fixed: Volume, warped: Float[np.ndarray, "*s"], displacement_mm: Float[Tensor, "3 *s"]
) -> tuple[Path, Path]:
    """Write ``warped.nii.gz`` and ``displacement.nii.gz`` in the voxel order of the fixed image's own file.

    The displacement is what ITK expects of a NIfTI field: shape (i, j, k, 1, 3), intent 1007 (vector), LPS millimetres.
    """
    affine = _affine_in_file(fixed.path)
    # ``Volume`` is in canonical order; the file need not be.
    original = ornt_transform(io_orientation(np.eye(4)), io_orientation(affine))
    field = np.moveaxis(displacement_mm.numpy(), 0, -1)[:, :, :, None, :] * LPS
    images = {
        out / "warped.nii.gz": nib.Nifti1Image(apply_orientation(warped, original), affine),
        out / "displacement.nii.gz": nib.Nifti1Image(apply_orientation(field.astype(np.float32), original), affine),
    }
    images[out / "displacement.nii.gz"].header.set_intent("vector")
    for path, image in images.items():
        image.header.set_xyzt_units("mm")
        write_bytes(path, gzip.compress(image.to_bytes(), compresslevel=6, mtime=0))
    return out / "warped.nii.gz", out / "displacement.nii.gz"


def _affine_in_file(path: Path) -> np.ndarray:
    image = nib.load(path)
    assert isinstance(image, SpatialImage), "read_image has accepted it"
    return np.asarray(image.affine)


def measure_labels(
    fixed: Volume, moving: Volume, *, displacement_mm: Float[Tensor, "3 *s"]
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Metrics on the fixed image's grid: one row a label (``dice_before`` is without the displacement), and regularity.

    The labels are those of either map; regularity is over the foreground of the fixed one.
    """
    labels = sorted({*np.unique(fixed.array).tolist(), *np.unique(moving.array).tolist()} - {0})
    before = read_labels_at(moving, coordinates_in(moving, grid=fixed))
    after = read_labels_at(moving, pulled_from(moving, fixed=fixed, displacement_mm=displacement_mm))
    columns = {
        "dice_before": dice_per_label(fixed.array, before, moving_labels=moving.array, labels=labels),
        "dice": dice_per_label(fixed.array, after, moving_labels=moving.array, labels=labels),
        **surface_distances(fixed.array, after, moving_labels=moving.array, labels=labels, spacing_mm=fixed.spacing_mm),
    }
    voxels = to_voxels(displacement_mm, affine=fixed.affine).numpy()
    regularity = {
        metric.__name__: metric(voxels, mask=fixed.array > 0)
        for metric in (folding_fraction, ndv_fraction, sd_log_jacobian)
    }
    return pd.DataFrame(columns, index=pd.Index(labels, name="label")), regularity


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when both files are written, 1 when an image or the trial cannot serve, 2 for a wrong call."""
    parser = _parser()
    call = parser.parse_args(argv)
    if (call.fixed_labels is None) != (call.moving_labels is None):
        parser.error("--fixed-labels and --moving-labels go together")
    try:
        _run(call)
    except (ValueError, OSError) as error:
        print(f"fusemorph register: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("fusemorph register", description="Apply a trained trial to two NIfTI images.")
    parser.add_argument("fixed", type=Path, metavar="FIXED.nii.gz", help="the image whose space the result lies in")
    parser.add_argument("moving", type=Path, metavar="MOVING.nii.gz", help="the image that is warped")
    parser.add_argument("--method", type=Path, required=True, metavar="RUNS/KEY", help="folder of a trained trial")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the two images are written")
    start = "from where the images lie in space (default), or with the centres of their grids on each other"
    parser.add_argument("--start", choices=get_args(Start), default="world", help=start)
    parser.add_argument("--fixed-labels", type=Path, metavar="NIFTI", help="with --moving-labels: prints metrics")
    parser.add_argument("--moving-labels", type=Path, metavar="NIFTI")
    add_option(parser)
    return parser


def _run(call: argparse.Namespace) -> None:
    add_folders(call.entries)
    fixed, moving = read_image(call.fixed), read_image(call.moving)
    labels = None
    if call.fixed_labels is not None:
        labels = read_labels(call.fixed_labels, image=fixed), read_labels(call.moving_labels, image=moving)
    method, network, record = load_trial(call.method)
    displacement_mm = register_images(
        fixed,
        moving,
        estimate=partial(method.register, network=network, device=torch.device("cpu")),
        start=call.start,
        **training_images(record),
    )
    warped = read_at(moving, pulled_from(moving, fixed=fixed, displacement_mm=displacement_mm))
    for path in save(call.out, fixed=fixed, warped=warped, displacement_mm=displacement_mm):
        print(path)
    if labels is not None:
        table, regularity = measure_labels(*labels, displacement_mm=displacement_mm)
        print(table.to_string(float_format="{:.4f}".format))
        for name, value in {**table.mean().add_prefix("mean "), **regularity}.items():
            print(f"{name} {value:.6f}")
