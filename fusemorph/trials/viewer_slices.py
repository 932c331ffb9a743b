"""Slices through one pair for the report's viewer, and what each gate does there; far smaller than the images."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from nibabel.orientations import aff2axcodes
from torch import Tensor

from fusemorph.data.dataset import Pair
from fusemorph.jacobian import jacobian_determinant
from fusemorph.method import image_tensor
from fusemorph.networks.padding import crop, padded_shape
from fusemorph.networks.registration import GateWeights, Registration
from fusemorph.trials.slices import widest_plane
from fusemorph.warp import warp, warp_moving_labels

MOST_SLICES = 24
LONGEST_SIDE = 160
MOST_OTHER_SLICES, LONGEST_OTHER_SIDE = 9, 96
GATE_SLICES = 3
_GRID_LINES = 32

Arrays = dict[str, np.ndarray]


def view_pair(pair: Pair, registration: Registration) -> Arrays:
    """At most 24 slices of at most 160 pixels a side through the foreground, along the axis of its widest plane.

    All arrays have the slices first, then the two axes in the slice. ``fixed``, ``moving``, ``warped``: uint8.
    ``fixed_labels``, ``warped_labels``: where there are labels. ``determinant``: of the whole field. ``displacement``:
    ``(n, 2, h, w)`` in the slice, in its pixels, at each ``grid_step``-th of them. ``gateN``: weight of the joint path
    at stage N, mean over channels, on the slices ``gate_slices``; only of gates that differ between voxels.
    ``axis`` and ``slices``: where the slices lie in the volume (-1 and 0 for images that are planes), one pixel being
    ``stride`` voxels. ``directions``: where the axes of a volume point to, ``R`` for right and so on.
    """
    displacement = registration.displacement.float().cpu()
    axis, _ = widest_plane(pair.foreground)
    arrays = _view(pair, displacement, axis, most=MOST_SLICES, longest=LONGEST_SIDE)
    if axis is not None:
        arrays["directions"] = np.array(aff2axcodes(pair.fixed.affine))
    stride = int(arrays["stride"])
    places = [] if axis is None else arrays["slices"].tolist()
    return arrays | _view_gates(registration, pair.foreground.shape, axis, places, stride)


def view_planes(pair: Pair, displacement: Float[Tensor, "1 d *s"], rank: str, *, without: int | None = None) -> Arrays:
    """At most 9 slices of at most 96 pixels a side along each axis of a pair; names are ``RANK_AXIS_`` and those of
    ``view_pair``. ``without``: an axis to leave out. An image that is a plane has one view, of axis -1, or none.
    """
    axes: list[int | None] = [None] if pair.foreground.ndim == 2 else [0, 1, 2]
    arrays: Arrays = {}
    for axis in axes:
        name = -1 if axis is None else axis
        if name != without:
            view = _view(pair, displacement, axis, most=MOST_OTHER_SLICES, longest=LONGEST_OTHER_SIDE)
            arrays |= {f"{rank}_{name}_{key}": values for key, values in view.items()}
    return arrays


def _view(pair: Pair, displacement: Float[Tensor, "1 d *s"], axis: int | None, *, most: int, longest: int) -> Arrays:
    """The slices of a pair along an axis."""
    places = _places(pair.foreground, axis, most)
    stride = -(-max(_cut(pair.fixed.image, axis, places, 1).shape[1:]) // longest)
    warped = warp(image_tensor(pair.moving.image, torch.device("cpu")), displacement)[0, 0].numpy()
    images = {"fixed": pair.fixed.image, "moving": pair.moving.image, "warped": warped}
    arrays = {name: _to_bytes(_cut(image, axis, places, stride)) for name, image in images.items()}
    if pair.fixed.labels is not None and pair.moving.labels is not None:
        maps = {"fixed": pair.fixed.labels, "warped": warp_moving_labels(pair.moving.labels, displacement)}
        arrays |= {
            f"{name}_labels": _cut(labels, axis, places, stride).astype(np.int16) for name, labels in maps.items()
        }
    determinant = jacobian_determinant(displacement)[0].numpy()
    arrays["determinant"] = _cut(determinant, axis, places, stride).astype(np.float16)
    step = max(1, round(max(arrays["fixed"].shape[1:]) / _GRID_LINES))
    inside = [component.numpy() for along, component in enumerate(displacement[0]) if along != axis]
    moved = np.stack([_cut(component, axis, places, stride * step) for component in inside], axis=1)
    arrays["displacement"] = (moved / stride).astype(np.float16)
    arrays |= {"axis": np.array(-1 if axis is None else axis), "slices": np.array(places or [0])}
    return arrays | {"stride": np.array(stride), "grid_step": np.array(step)}


def _view_gates(
    registration: Registration, shape: tuple[int, ...], axis: int | None, places: list[int], stride: int
) -> Arrays:
    """Maps of the gates on slices at equal distances, without the two ends."""
    chosen = np.unique(np.linspace(0, max(0, len(places) - 1), GATE_SLICES + 2)[1:-1].round().astype(int))
    maps = {
        stage: gate for stage, weights in registration.gates.items() if (gate := gate_map(weights, shape)) is not None
    }
    if not maps:
        return {}
    kept = [places[i] for i in chosen] if places else []
    arrays = {f"gate{stage}": _cut(gate.numpy(), axis, kept, stride).astype(np.float16) for stage, gate in maps.items()}
    return arrays | {"gate_slices": chosen}


def gate_map(weights: GateWeights, shape: tuple[int, ...]) -> Float[Tensor, "*s"] | None:
    """Weight of the joint path (*s) on the image's grid, mean over channels; None where it is one for all voxels."""
    joint = weights.joint.float().cpu().mean(1, keepdim=True)
    if joint[0, 0].numel() == 1:
        return None
    mode = "bilinear" if len(shape) == 2 else "trilinear"
    whole = F.interpolate(joint, size=padded_shape(shape), mode=mode, align_corners=False)
    return crop(whole, shape)[0, 0]


def _places(mask: np.ndarray, axis: int | None, most: int) -> list[int]:
    """At most so many places along the axis, from the first to the last with foreground; none of a plane."""
    if axis is None:
        return []
    inside = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
    first, last = (int(inside[0]), int(inside[-1])) if inside.size else (0, mask.shape[axis] - 1)
    chosen = np.unique(np.linspace(first, last, min(most, last - first + 1)).round().astype(int))
    return [int(place) for place in chosen]


def _cut(volume: np.ndarray, axis: int | None, places: list[int], stride: int) -> np.ndarray:
    """The slices (n, h, w) at these places along the axis, each ``stride``-th pixel; of a plane, itself."""
    whole = np.asarray(volume)
    slices = whole[None] if axis is None else np.moveaxis(np.take(whole, places, axis=axis), axis, 0)
    return slices[:, ::stride, ::stride]


def _to_bytes(image: np.ndarray) -> np.ndarray:
    return (255 * image).round().clip(0, 255).astype(np.uint8)
