"""The viewer of an arm: slices of its best, median and worst pair in three planes, fixed and warped to blend, the
deformed grid and the determinant.

Each kind of picture is one sheet with all slices, row by row: what the page's script cuts up, and what is seen as it
is on paper or without scripts.
"""

import base64
import io
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from matplotlib.colors import to_hex
from PIL import Image

from fusemorph.storage import RecordError
from reports.analysis.comparison import Comparison
from reports.figures.pairs import aspect_of, pictured_arms
from reports.plots.slices import RANKS, determinant_colours, determinant_scale
from reports.records.files import read_pictures
from reports.records.study import Pictures
from reports.wording import number

MOST_SLICES = 24
LONGEST_SIDE = 160
_COLUMNS = 6
_LARGE = 100  # pixels; larger slices are compressed harder
_NEEDED = ("fixed", "moving", "warped", "determinant", "displacement", "slices", "axis", "stride", "grid_step")
_DETERMINANT_STEPS = 40
View = Mapping[str, np.ndarray]
Stored: TypeAlias = "dict[tuple[str, int], View]"
PLANES = {"x": "sagittal", "y": "coronal", "z": "axial"}
_AXES = dict(zip("LRPAIS", "xxyyzz", strict=True))
_OPPOSITE = dict(zip("LRPAIS", "RLAPSI", strict=True))
_PREFIXES = tuple(f"{rank}_" for rank in RANKS)


def viewers(comparison: Comparison, budget: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """For each pictured arm what the template needs: the ``views`` of its pairs, or a ``message`` that says why not.

    The widest plane of each arm's median pair comes first; the other planes and pairs as far as the budget goes.
    """
    read: dict[str, Stored] = {}
    shown: dict[str, dict[str, Any]] = {}
    for place, arm in enumerate(pictured_arms(comparison)):
        try:
            read[arm] = _read(comparison.records.pictures[arm])
        except RecordError as error:
            shown[arm] = {"message": str(error)}
            continue
        shown[arm] = {"message": "", "views": [], "id": f"{comparison.records.stem}-viewer{place}", "arm": arm}
        if not read[arm]:
            shown[arm] = {"message": "No slices to scroll were recorded with this arm, only those above."}
    for first in (True, False):
        for arm, stored in read.items():
            for place, (name, view) in enumerate(stored.items()):
                if (place == 0) != first or "views" not in shown[arm]:
                    continue
                made = _view(comparison, comparison.records.pictures[arm], *name, view)
                budget -= sum(len(value) for value in made.values() if isinstance(value, str))
                if budget >= 0:
                    shown[arm]["views"].append(made)
                elif first:
                    shown[arm] = {"message": "The slices to scroll are left out to keep the page small."}
    yield from shown.items()


def _read(pictures: Pictures) -> Stored:
    """The stored views by pair and axis: the median pair's widest plane first."""
    path = pictures.path.with_name("viewer.npz")
    if not path.is_file():
        return {}
    stored = read_pictures(path)
    main = {name: array for name, array in stored.items() if not name.startswith(_PREFIXES)}
    if (wrong := fault(main)) is not None:
        raise RecordError(f"{path}: {wrong}")
    views: Stored = {("median", int(main["axis"])): main}
    shared = {"directions": stored["directions"]} if "directions" in stored else {}
    for rank in RANKS:
        for axis in (-1, 0, 1, 2):
            prefix = f"{rank}_{axis}_"
            of_view = {name.removeprefix(prefix): array for name, array in stored.items() if name.startswith(prefix)}
            if of_view and fault(of_view) is None:
                views[rank, axis] = of_view | shared
    return views


def _view(comparison: Comparison, pictures: Pictures, rank: str, axis: int, view: View) -> dict[str, Any]:
    about = pictures.pairs.get(rank, {})
    dice = about.get("dice")
    return sheets(view, aspect=aspect_of(comparison, {"axis": axis})) | {
        "rank": rank,
        "axis": axis,
        "pair": str(about.get("pair", "")).replace("<-", " ← "),
        "dice": number(dice) if isinstance(dice, float) else "",
        "plane": PLANES.get(_through(view, axis), f"across axis {axis}") if axis >= 0 else "the plane",
        "sides": _sides(view, axis),
        "pixel_mm": _pixel_mm(comparison, view, axis),
    }


def _through(view: View, axis: int) -> str:
    """The axis of the body that slices are cut across, where it was recorded where axes point to."""
    return _AXES.get(str(view["directions"][axis]), "") if _has_directions(view) else ""


def _has_directions(view: View) -> bool:
    return "directions" in view and view["directions"].shape == (3,)


def _sides(view: View, axis: int) -> list[str]:
    """What stands at the left, the right, the lower and the upper edge of a slice, where it is known."""
    if axis < 0 or not _has_directions(view):
        return []
    ends = [str(name) for place, name in enumerate(view["directions"]) if place != axis]
    return [side for end in ends for side in (_OPPOSITE.get(end, "?"), end if end in _OPPOSITE else "?")]


def _pixel_mm(comparison: Comparison, view: View, axis: int) -> float:
    """Width of a pixel, or 0 where the spacing is not known."""
    spacing = comparison.records.dataset.get("spacing_mm")
    if not isinstance(spacing, list) or not all(isinstance(side, int | float) and side > 0 for side in spacing):
        return 0.0
    inside = [side for place, side in enumerate(spacing) if place != axis]
    return float(inside[0]) * int(view["stride"])


def fault(view: View) -> str | None:
    """Why stored slices cannot be shown; None where they can."""
    if missing := [name for name in _NEEDED if name not in view]:
        return f"lacks {', '.join(missing)}"
    shape = view["fixed"].shape
    if len(shape) != 3 or not (0 < shape[0] <= MOST_SLICES and min(shape) > 0 and max(shape[1:]) <= LONGEST_SIDE):
        return f"must hold up to {MOST_SLICES} slices of {LONGEST_SIDE} pixels, holds an array of shape {shape}"
    labels = [name for name in ("fixed_labels", "warped_labels") if name in view]
    if any(view[name].shape != shape for name in ("moving", "warped", "determinant", *labels)):
        return "holds slices of several shapes"
    step, nodes = view["grid_step"], view["displacement"].shape
    if step.ndim or step < 1 or nodes != (shape[0], 2, *(-(-side // int(step)) for side in shape[1:])):
        return f"holds a displacement of shape {nodes}, which does not fit its slices"
    return None if view["slices"].shape == shape[:1] else "does not name its slices"


def sheets(view: View, *, aspect: float) -> dict[str, Any]:
    """The sheets of a viewer as addresses that hold their own data, and its sizes."""
    count, width, height = view["fixed"].shape
    columns = min(_COLUMNS, count)
    quality = 60 if max(width, height) > _LARGE else 85
    encoded = {name: _lossy(_sheet(view[name], columns), quality) for name in ("fixed", "moving", "warped")}
    encoded["determinant"] = _palette(*_determinant(_sheet(view["determinant"].astype(np.float32), columns, fill=1)))
    if "fixed_labels" in view and "warped_labels" in view:
        lines = _edges(view["fixed_labels"]) + 4 * _edges(view["warped_labels"])
        encoded["outlines"] = _address(Image.fromarray(_sheet(lines, columns)).convert("RGB"), lossless=True, method=6)
    moved, scale = _small_numbers(view["displacement"].astype(np.float64))
    axis, slices = int(view["axis"]), view["slices"].tolist()
    return encoded | {
        "count": count,
        "columns": columns,
        "width": width,
        "height": height,
        "aspect": aspect * height / width,
        "sheet_aspect": aspect * height * -(-count // columns) / (width * columns),
        "displacement": "base64," + base64.b64encode(moved.tobytes()).decode(),
        "scale": scale,
        "colours": [to_hex(colour) for colour in determinant_colours()(np.linspace(0, 1, 9))],
        "nodes": list(view["displacement"].shape[2:]),
        "step": int(view["grid_step"]),
        "places": slices,
        "where": f"along axis {axis}" if axis >= 0 else "the plane itself",
    }


def _sheet(slices: np.ndarray, columns: int, *, fill: int = 0) -> np.ndarray:
    """Slices (n, w, h) side by side, ``fill`` after the last: axis 0 to the right and axis 1 upwards."""
    upright = np.swapaxes(slices, 1, 2)[:, ::-1]
    count, height, width = upright.shape
    rows = -(-count // columns)
    padded = np.full((rows * columns, height, width), fill, upright.dtype)
    padded[:count] = upright
    return padded.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)


def _determinant(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The determinant in steps of a palette; the first colour is that of folding."""
    steps = np.linspace(0, 2, _DETERMINANT_STEPS)
    colours = determinant_colours()(determinant_scale()(np.array([-1.0, *steps])))
    index = 1 + np.clip(np.rint(values / 2 * (_DETERMINANT_STEPS - 1)), 0, _DETERMINANT_STEPS - 1)
    return np.where(values <= 0, 0, index).astype(np.uint8), np.rint(255 * colours[:, :3]).astype(np.uint8)


def _edges(labels: np.ndarray) -> np.ndarray:
    """Where labels (n, w, h) end: 1 towards the next pixel along the first axis in the slice, 2 along the second."""
    edges = np.zeros(labels.shape, np.uint8)
    edges[:, :-1] += labels[:, 1:] != labels[:, :-1]
    edges[:, :, :-1] += 2 * (labels[:, :, 1:] != labels[:, :, :-1]).astype(np.uint8)
    return edges


def _small_numbers(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Values as whole numbers of one byte, and what one of them stands for."""
    largest = float(np.abs(np.nan_to_num(values)).max())
    scale = largest / 127 if largest else 1.0
    return np.rint(np.nan_to_num(values) / scale).clip(-127, 127).astype(np.int8), scale


def _lossy(image: np.ndarray, quality: int) -> str:
    return _address(Image.fromarray(image), quality=quality, method=6)


def _palette(indices: np.ndarray, colours: np.ndarray) -> str:
    """An image of few colours (n, 3), without loss."""
    return _address(Image.fromarray(colours[indices]), lossless=True, method=6)


def _address(image: Image.Image, **how: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="webp", **how)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
