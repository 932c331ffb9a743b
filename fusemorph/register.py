"""``fusemorph register``: a trained trial applied to two NIfTI images of any shape, spacing and orientation."""

import math
import reprlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fusemorph.bounds import SMALLEST_SIDE, WORK_BYTES, memory_problem, sides
from fusemorph.catalogue import add_folders
from fusemorph.data.align import affine_voxels
from fusemorph.data.dataset import Pair, Scan
from fusemorph.data.errors import DataError, printable
from fusemorph.data.nifti import read_header, settle, unwritable
from fusemorph.data.preprocess import Volume, centred_start, normalise, read_image, read_labels, resample, window
from fusemorph.data.world import (
    after_start,
    centre_mm,
    check_overlap,
    coordinates_in,
    mass_mm,
    pulled_from,
    read_at,
    to_mm,
)
from fusemorph.grid import sample
from fusemorph.method import Method
from fusemorph.networks.registration import Registration
from fusemorph.records import read_record
from fusemorph.register_options import RegisterOptions, Start, parse
from fusemorph.register_options import parser as parser
from fusemorph.registered import measure_labels, save
from fusemorph.segmented import labels_of, measure_segmentations, save_segmentations, segment
from fusemorph.trials.load import load_trial

Estimate = Callable[[Pair], Tensor]
"""From two scans on one grid to the displacement ``(1, d, *s)`` in its voxels."""

STARTS_OF_DATA: dict[str, Start] = {"none": "world", "affine": "affine", "mni": "affine", "centres": "masses"}
"""How a data set's setting ``align`` brought its scans together, as a start here."""
LEAST_SIDE = 2


def register_images(
    fixed: Volume,
    moving: Volume,
    *,
    estimate: Estimate,
    spacing_mm: Sequence[float],
    percentiles: Sequence[float],
    start: Start = "world",
) -> Float[Tensor, "d *s"]:
    """Displacement in RAS millimetres on the fixed image's grid, estimated at the spacing of the training.

    Both images are resampled and normalised as in training; the moving one is then read on the grid of the fixed one,
    through the affines and the start, 0 where it has no voxels. ``estimate`` sees the two as a pair, padded with 0
    where slices are few. ``start`` comes first: ``centres`` moves the middle of the moving grid onto that of the fixed
    one, ``masses`` the centre of its foreground, ``affine`` maps it affinely; all are part of the displacement.

    Raises:
        ValueError: the images do not overlap in space (where they start from it), cannot be aligned, or the estimate is
            not finite.
    """
    if start == "world":
        check_overlap(fixed, moving)
    fixed_in, moving_in = (normalise(resample(volume, spacing_mm), percentiles) for volume in (fixed, moving))
    before = start_in_world(fixed_in, moving_in, start=start)
    fixed_in = _padded(fixed_in)
    there = coordinates_in(moving_in, grid=replace(fixed_in, affine=before @ fixed_in.affine))
    images = {"fixed": fixed_in.array, "moving": read_at(moving_in, there)}
    # Each in its own image's space: the voxels of both are the same points once the start has moved the moving one.
    places = {"fixed": fixed_in.affine, "moving": before @ fixed_in.affine}
    scans = [
        Scan(id=name, subject=name, image=image, labels=None, spacing_mm=fixed_in.spacing_mm, affine=places[name])
        for name, image in images.items()
    ]
    displacement = estimate(Pair(split="", fixed=scans[0], moving=scans[1], block="")).cpu()
    if not torch.isfinite(displacement).all():
        raise ValueError(f"the method gave a displacement that is not finite for {fixed.path} and {moving.path}")
    voxels = sample(displacement, coordinates_in(fixed_in, grid=fixed)[None])[0]
    return after_start(to_mm(voxels, affine=fixed_in.affine), before, grid=fixed).float()


def start_in_world(fixed: Volume, moving: Volume, *, start: Start) -> Float[np.ndarray, "e e"]:
    """The affine map in RAS millimetres that takes places of the fixed image to places of the moving one.

    Raises:
        DataError: of an affine start that finds no agreement.
    """
    if start == "affine":
        matrix = np.eye(len(fixed.affine))
        matrix[:-1] = affine_voxels(moving, fixed).numpy()
        return np.asarray(moving.affine @ matrix @ np.linalg.inv(fixed.affine))
    before = np.eye(len(fixed.affine))
    if start != "world":
        middle = centre_mm if start == "centres" else mass_mm
        before[:-1, -1] = middle(moving) - middle(fixed)
    return before


def _padded(volume: Volume) -> Volume:
    """With as many voxels a side as a data set's grid has at the least."""
    shape = [max(SMALLEST_SIDE, side) for side in volume.array.shape]
    return window(volume, start=centred_start(volume.array.shape, shape), shape=shape)


def training_images(record: Mapping[str, Any], folder: Path) -> dict[str, tuple[float, ...]]:
    """Spacing and percentiles of the images that a trial was trained on, from its record.

    A dataset without a setting of percentiles takes the 1st and 99th.

    Raises:
        ValueError: the record holds none, or what cannot be.
    """
    try:
        percentiles = record["configuration"]["dataset"].get("percentiles", (1.0, 99.0))
        images = {"spacing_mm": tuple(map(float, record["spacing_mm"])), "percentiles": tuple(map(float, percentiles))}
        low, high = images["percentiles"]
        fit = len(images["spacing_mm"]) in (2, 3) and 0 <= low < high <= 100
        if fit and min(images["spacing_mm"]) > 0 and max(images["spacing_mm"]) < math.inf:
            return images
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    raise ValueError(f"{folder}: must be a finished trial, whose record holds spacing and percentiles of its images")


def start_of_trial(record: Mapping[str, Any], folder: Path, *, asked: Start | None) -> Start:
    """The start asked for, else the one that aligns two images as the trial's data were.

    Raises:
        ValueError: none is asked for, and how the trial's data were aligned is not known here.
    """
    align = _alignment(record)
    start = asked or STARTS_OF_DATA.get(str(align))
    if start is None:
        raise ValueError(
            f"{folder}: its data were aligned by {reprlib.repr(align)}, which is not known here; choose a start: "
            f"{', '.join(get_args(Start))}"
        )
    return start


def _alignment(record: Mapping[str, Any]) -> object:
    return record["configuration"]["dataset"].get("align", "none")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when both files are written, 1 when an image or the trial is unusable, 2 for a wrong call."""
    call = parse(argv)
    try:
        _run(call.checked())
    except (ValueError, OSError) as error:
        return _print_message(f"{error}", status=1)
    except MemoryError:
        return _print_message(f"not enough memory for {call.fixed} and {call.moving}", status=1)
    return 0


def _print_message(message: str, *, status: int = 0) -> int:
    print(f"fusemorph register: {printable(message)}", file=sys.stderr)
    return status


def _print_notes(volume: Volume) -> None:
    """Where the image lies, as far as its header leaves that open, and what was done to its values."""
    if volume.header is not None:
        level = "note" if volume.header.forms else "warning"
        for words in volume.header.notes():
            _print_message(f"{level}: {volume.path}: {words}")
    for words in volume.notes:
        _print_message(f"note: {volume.path}: {words}")


def _run(call: RegisterOptions) -> None:
    add_folders(call.entries)
    place = partial(settle, form=call.header)
    for path in call.inputs:
        place(read_header(path))
    record = read_record(call.method)
    images = training_images(record, call.method)
    read = partial(read_image, dimensions=len(images["spacing_mm"]), smallest_side=LEAST_SIDE, place=place)
    fixed, moving = read(call.fixed), read(call.moving)
    _check_fixed(fixed)
    labels = None
    if call.fixed_labels is not None and call.moving_labels is not None:
        pairs = ((call.fixed_labels, fixed), (call.moving_labels, moving))
        labels = [read_labels(path, image=image, place=place) for path, image in pairs]
    for volume in (fixed, moving, *(labels or ())):
        _print_notes(volume)
    method, network, record = load_trial(call.method)
    for volume in labels or ():
        _check_segmented(volume, method)
    start = start_of_trial(record, call.method, asked=call.start)
    _print_start(start, record)
    found: list[tuple[Pair, Registration]] = []

    def estimate(pair: Pair) -> Tensor:
        found.append((pair, method.registration(pair, network=network, device=torch.device("cpu"))))
        return found[-1][1].displacement

    displacement_mm = register_images(fixed, moving, estimate=estimate, start=start, **images)
    warped = read_at(moving, pulled_from(moving, fixed=fixed, displacement_mm=displacement_mm))
    for path in save(call.out, fixed=fixed, moving=moving, warped=warped, displacement_mm=displacement_mm):
        print(path)
    segmented = segment(
        *found[-1], fixed=fixed, moving=moving, displacement_mm=displacement_mm, labels=labels_of(method)
    )
    for path in save_segmentations(call.out, segmented, fixed=fixed, moving=moving):
        print(path)
    if labels is not None:
        table, regularity = measure_labels(*labels, displacement_mm=displacement_mm)
        table = table.join(measure_segmentations(segmented, *labels, label_ids=labels_of(method)))
        print(table.to_string(float_format="{:.4f}".format))
        for name, value in {**table.mean().add_prefix("mean "), **regularity}.items():
            print(f"{name} {value:.6f}")


def _check_segmented(volume: Volume, method: Method) -> None:
    """Refuse a label map with what a network that segments does not know.

    Raises:
        DataError: naming the file.
    """
    allowed = labels_of(method)
    if allowed and (beyond := sorted(set(np.unique(volume.array).tolist()) - {0, *allowed})):
        raise DataError(
            f"{volume.path}: labels must be among those of the trial, {[0, *allowed]}, got {beyond} as well"
        )


def _check_fixed(fixed: Volume) -> None:
    """Refuse a grid on which nothing can be written or computed.

    Raises:
        DataError: naming the file and the reason.
    """
    assert fixed.header is not None, "read from a file"
    if reason := unwritable(fixed.header.affine, fixed.header.shape):
        raise DataError(f"{fixed.path}: no result can be written on its grid: {reason}")
    if problem := memory_problem(fixed.array.size * WORK_BYTES):
        raise DataError(f"{fixed.path}: a displacement on its grid of {sides(fixed.array.shape)} voxels {problem}")


def _print_start(start: Start, record: Mapping[str, Any]) -> None:
    """A note where the start aligns as the trial's data were, a warning where they were aligned otherwise."""
    align = _alignment(record)
    if start == STARTS_OF_DATA.get(str(align)) != "world":
        _print_message(f"note: the moving image is aligned first ({start}), as the trial's data were (align={align})")
    elif align != "none":
        _print_message(f"warning: the trial was trained on aligned scans (align={align}), and starts from {start} here")
