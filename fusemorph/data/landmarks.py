"""Landmarks beside an image: points in voxels or millimetres, as their file says, brought to RAS millimetres."""

import csv
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fusemorph.data.errors import DataError
from fusemorph.data.header import Header
from fusemorph.data.table import read_table

ENDINGS = (".csv", ".json")
VOXELS, RAS, LPS = "voxels", "ras", "lps"
COLUMNS = {
    VOXELS: ("i", "j", "k"),
    RAS: ("x_ras_mm", "y_ras_mm", "z_ras_mm"),
    LPS: ("x_lps_mm", "y_lps_mm", "z_lps_mm"),
}
"""By the columns of a table it says what its points are."""
BEYOND_MM = 20.0
"""How far outside its image a landmark may lie: farther away it is in other coordinates than its file says."""


def read_landmarks(path: Path, *, header: Header) -> np.ndarray:
    """The landmarks of a file in RAS millimetres ``(n, 3)``, in its order; ``header`` is that of their 3-D image.

    CSV: columns ``i,j,k`` (voxels of the image as it is stored, from 0, fractions allowed), ``x_ras_mm,...`` or
    ``x_lps_mm,...``; a column ``name`` may stand beside them. JSON: ``{"space": "voxels", "ras" or "lps", "points":
    [[...], ...]}``, or what 3D Slicer saves (``markups`` with their ``coordinateSystem``). A CSV without a header is
    refused, since nothing says what its numbers are.

    Raises:
        DataError: unreadable, in no known form, without points, or points that lie far outside the image.
    """
    space, points = _of_json(path) if path.suffix.lower() == ".json" else _of_table(path)
    return in_millimetres(points, space, header=header, path=path)


def read_keypoints(path: Path, *, header: Header) -> np.ndarray:
    """The landmarks of a table without a header, in voxels of the image, in RAS millimetres ``(n, 3)``.

    Raises:
        DataError: no numbers in rows of three, no rows, or points far outside the image.

    Source: ``keypointsTr`` of Learn2Reg.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a table of keypoints ({error})") from error
    return in_millimetres(_points(rows, path), VOXELS, header=header, path=path)


def in_millimetres(points: np.ndarray, space: str, *, header: Header, path: Path) -> np.ndarray:
    """Points in RAS millimetres.

    Raises:
        DataError: one lies far outside the image.
    """
    affine = header.affine
    if space == VOXELS:
        points = points @ affine[:3, :3].T + affine[:3, 3]
    elif space == LPS:
        points = points * (-1.0, -1.0, 1.0)
    voxels = np.linalg.solve(affine[:3, :3], (points - affine[:3, 3]).T).T
    beyond = np.maximum(-0.5 - voxels, voxels - (np.array(header.shape[:3]) - 0.5)) * np.linalg.norm(
        affine[:3, :3], axis=0
    )
    if (far := int(beyond.max(axis=1).argmax())) is not None and beyond.max() > BEYOND_MM:
        where = ", ".join(f"{each:.4g}" for each in voxels[far])
        raise DataError(
            f"{path}: landmark {far + 1} lies {beyond.max():.0f} mm outside {header.path}, at voxel ({where}); are its "
            f"coordinates {space}, as the file says?"
        )
    return points


def _of_table(path: Path) -> tuple[str, np.ndarray]:
    rows = read_table(path, required=(), allowed=None)
    space = next((space for space, columns in COLUMNS.items() if set(columns) <= set(rows[0])), None)
    if space is None:
        choices = " or ".join(",".join(columns) for columns in COLUMNS.values())
        raise DataError(f"{path}: must have the columns {choices}, got {','.join(rows[0])}")
    return space, _points(([row[column] for column in COLUMNS[space]] for row in rows), path)


def _of_json(path: Path) -> tuple[str, np.ndarray]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from error
    if isinstance(content, dict) and isinstance(content.get("markups"), list) and content["markups"]:
        return _of_slicer(content["markups"], path)
    space = content.get("space") if isinstance(content, dict) else None
    if space not in COLUMNS or not isinstance(content.get("points"), list):
        raise DataError(
            f'{path}: must have "space" (one of {", ".join(COLUMNS)}) and "points", or be markups of 3D Slicer'
        )
    return str(space), _points(content["points"], path)


def _of_slicer(markups: Sequence[Any], path: Path) -> tuple[str, np.ndarray]:
    """Points of a markups file of 3D Slicer, whose old versions wrote 0 and 1 for RAS and LPS.

    Source: markups schema 1.0.3, github.com/Slicer/Slicer/tree/main/Modules/Loadable/Markups/Resources/Schema.
    """
    first = markups[0]
    system = str(first.get("coordinateSystem", "LPS")).upper() if isinstance(first, Mapping) else ""
    space = {"RAS": RAS, "0": RAS, "LPS": LPS, "1": LPS}.get(system)
    points = first.get("controlPoints") if isinstance(first, Mapping) else None
    if space is None or not isinstance(points, list) or len(markups) != 1:
        raise DataError(f"{path}: must hold one list of control points in RAS or LPS")
    return space, _points((point.get("position") if isinstance(point, Mapping) else None for point in points), path)


def _points(rows: Iterable[Any], path: Path) -> np.ndarray:
    points = []
    for number, row in enumerate(rows, start=1):
        point = _numbers(row)
        if point is None:
            raise DataError(f"{path}: landmark {number} must be three finite numbers, got {row!r:.60}")
        points.append(point)
    if not points:
        raise DataError(f"{path}: holds no landmarks")
    return np.asarray(points)


def _numbers(row: Any) -> list[float] | None:
    read: Callable[[Any], float] = float
    try:
        numbers = [read(each) for each in row] if isinstance(row, list) else []
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == 3 and all(map(math.isfinite, numbers)) else None
