"""What a grid common to many files depends on, measured once a file: its grid, its foreground, its labels."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fusemorph.bounds import SMALLEST_SIDE
from fusemorph.data.cache import Arrays, cached_arrays, content_digest
from fusemorph.data.errors import DataError
from fusemorph.data.listing import Listed
from fusemorph.data.prepare import threads
from fusemorph.data.preprocess import (
    VERSION,
    centred_start,
    check_resampling,
    foreground,
    read_volume,
    resampling,
)
from fusemorph.data.settings import check_shape

SURVEY = 2
"""Counts changes of what is measured here."""


def survey_scans(
    scans: Mapping[str, Listed], *, smallest_side: int | Sequence[int], cache: Path, dimensions: int | None = None
) -> dict[str, Arrays]:
    """For each scan's image and labels: ``shape``, ``spacing_mm``, ``affine``, ``box``, ``labels_box``, ``values``.

    A box (2, d) holds the first and last voxel of the foreground: ``box`` all voxels above the image's minimum and all
    labels, ``labels_box`` the labels alone (where there are any). Images are of ``dimensions``, else of
    those of the first one.

    Raises:
        DataError: with a line for each unusable file.
    """
    if dimensions is None:
        dimensions = _dimensions_of_first(scans.values())

    def attempt(scan: Listed) -> Arrays | str:
        try:
            return _survey(scan, dimensions=dimensions, smallest_side=smallest_side, cache=cache)
        except DataError as error:
            return str(error)

    with ThreadPoolExecutor(threads()) as pool:
        found = dict(zip(scans, pool.map(attempt, scans.values()), strict=True))
    if wrong := [problem for problem in found.values() if isinstance(problem, str)]:
        raise DataError("\n".join(wrong))
    return {scan_id: survey for scan_id, survey in found.items() if not isinstance(survey, str)}


def _dimensions_of_first(scans: Iterable[Listed]) -> int:
    """Those of the first image that can be read; 3 where none can."""
    for scan in scans:
        with suppress(DataError):
            return read_volume(scan.image).array.ndim
    return 3


def _survey(scan: Listed, *, dimensions: int, smallest_side: int | Sequence[int], cache: Path) -> Arrays:
    sources = {path: content_digest(path, cache=cache) for path in (scan.image, scan.labels) if path is not None}
    rules: dict[str, Any] = {"dimensions": dimensions, "smallest_side": smallest_side}
    read_as = {"read_as": scan.read_as} if scan.read_as else {}
    key = {"survey": list(sources.values()), "version": [VERSION, SURVEY], **rules, **read_as}
    maps = cached_arrays(key, lambda: _measure(scan, **rules), sources=sources, cache=cache)
    # Copies of a few numbers each: a map of them would hold its file open, of every image of the folder.
    return {name: np.array(values) for name, values in maps.items()}


def _measure(scan: Listed, *, dimensions: int, smallest_side: int | Sequence[int]) -> Arrays:
    image, label_map = scan.read(dimensions=dimensions, smallest_side=smallest_side)
    seen = foreground(image.array)
    survey = {
        "shape": np.asarray(image.array.shape),
        "spacing_mm": np.asarray(image.spacing_mm),
        "affine": image.affine,
        "values": np.zeros(0, dtype=np.int16),
    }
    if label_map is not None:
        labels = label_map.array
        values = np.unique(labels)
        survey["values"] = values[values > 0]
        if survey["values"].size:
            survey["labels_box"] = _box(labels > 0)
            seen |= labels > 0
    return survey | {"box": _box(seen)}


def _box(mask: np.ndarray) -> np.ndarray:
    axes = range(mask.ndim)
    lines = [np.flatnonzero(mask.any(axis=tuple(other for other in axes if other != axis))) for axis in axes]
    return np.asarray([[line[0] for line in lines], [line[-1] for line in lines]])


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A grid common to all scans; ``starts`` says at which of its own (resampled) voxels it begins for each."""

    spacing_mm: tuple[float, ...]
    shape: tuple[int, ...]
    starts: dict[str, tuple[int, ...]]


def common_grid(
    surveys: Mapping[str, Arrays],
    *,
    groups: Mapping[str, str],
    images: Mapping[str, Path],
    spacing_mm: Sequence[float],
    shape: Sequence[int] | None,
    foreground: str,
) -> Grid:
    """The grid around each group's foreground: of ``shape``, else the smallest that holds every box.

    Scans of a group share one window, so that their alignment stays.

    Raises:
        ValueError: a spacing or shape that does not suit the images, or is too large.
        DataError: an image that is too large at this spacing, or of which nothing is left.
    """
    dimensions = len(next(iter(surveys.values()))["shape"])
    if len(spacing_mm) != dimensions or not min(spacing_mm) > 0:
        raise ValueError(f"folder: 'spacing_mm' must be {dimensions} positive numbers, got {tuple(spacing_mm)}")
    boxes: dict[str, np.ndarray] = {}
    for scan_id, survey in surveys.items():
        check_resampling(images[scan_id], survey["shape"].tolist(), survey["spacing_mm"].tolist(), spacing_mm)
        box = _foreground_box(survey, foreground=foreground, spacing_mm=spacing_mm)
        union = boxes.setdefault(groups[scan_id], box)
        boxes[groups[scan_id]] = np.stack([np.minimum(union[0], box[0]), np.maximum(union[1], box[1])])
    sides = {group: (box[1] - box[0] + 1).tolist() for group, box in boxes.items()}
    if shape is None:
        shape = [max(SMALLEST_SIDE, *side) for side in zip(*sides.values(), strict=True)]
    check_shape("folder", shape, dimensions=dimensions)
    starts = {group: tuple((boxes[group][0] + centred_start(sides[group], shape)).tolist()) for group in boxes}
    return Grid(
        spacing_mm=tuple(float(spacing) for spacing in spacing_mm),
        shape=tuple(shape),
        starts={scan_id: starts[groups[scan_id]] for scan_id in surveys},
    )


def median_spacing_mm(surveys: Iterable[Arrays]) -> tuple[float, ...]:
    """The median spacing of each axis, to 0.1 micrometre."""
    spacings = np.stack([survey["spacing_mm"] for survey in surveys])
    return tuple(round(float(median), 4) for median in np.median(spacings, axis=0))


def _foreground_box(survey: Arrays, *, foreground: str, spacing_mm: Sequence[float]) -> np.ndarray:
    """First and last voxel (2, d) of the foreground after resampling; of the image where labels are due but absent."""
    box = survey.get("labels_box", survey["box"]) if foreground == "labels" else survey["box"]
    ratio, offset, shape = resampling(survey["shape"].tolist(), survey["spacing_mm"].tolist(), spacing_mm)
    # Voxel j of the new grid reads position ratio * j + offset of the old one, and the nearest voxel there.
    first = np.ceil((box[0] - 0.5 - offset) / ratio - 1e-6)
    last = np.floor((box[1] + 0.5 - offset) / ratio + 1e-6)
    return np.asarray(np.clip([first, last], 0, np.asarray(shape) - 1), dtype=np.int64)


def check_grids(surveys: Mapping[str, Arrays], *, groups: Mapping[str, str], images: Mapping[str, Path]) -> None:
    """Refuse scans of one group that lie on different grids.

    Raises:
        DataError: naming the two images.
    """
    first: dict[str, str] = {}
    for scan_id, group in groups.items():
        reference = first.setdefault(group, scan_id)
        if not _same_grid(surveys[scan_id], surveys[reference]):
            raise DataError(f"{images[scan_id]}: grid is unlike the one of {images[reference]}, of the same subject")


def _same_grid(first: Arrays, second: Arrays) -> bool:
    """Whether two images have one shape, and affines that agree to a tenth of a voxel over it."""
    if first["shape"].tolist() != second["shape"].tolist():
        return False
    away_mm = np.abs(first["affine"] - second["affine"]) @ [*first["shape"], 1]
    return bool(away_mm.max() <= 0.1 * first["spacing_mm"].min())
