"""What every registration network returns, whatever its inside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class GateWeights(NamedTuple):
    """Weights of the candidates in a gate's mix, ``(b, 1 or C, *s or ones)`` each, detached; None for a candidate that
    the gate does not weigh."""

    joint: Tensor
    single: Tensor
    correlation: Tensor | None = None


class Coarser(NamedTuple):
    """The pair on a coarser grid, and the velocity (in its voxels) that was predicted there."""

    fixed: Tensor
    moving: Tensor
    velocity: Tensor


@dataclass(frozen=True, kw_only=True)
class Registration:
    """A predicted transformation, with what the loss and the analysis need besides.

    ``displacement``: ``(b, d, *s)`` in voxels of the images. ``velocity`` and ``log_variance``: ``(b, d, *t)`` on the
    network's own grid, the mean and log-variance of the stationary velocity where the network has them. ``gates``:
    weights by stage, empty for networks without gates. ``halvings``: how often the images are halved before they are as
    coarse as the level that predicted, for networks trained level by level. ``coarser``: what a coarse-to-fine network
    predicted before its last stage, finest first; in training alone. ``both_directions``: the second half of the batch
    holds the pairs of the first half the other way round. ``segmentation``: logits ``(b, k, *s)`` of the classes,
    background first, of the fixed and of the moving images, where the network segments.
    """

    displacement: Float[Tensor, "b d *s"]
    velocity: Float[Tensor, "b d *t"] | None = None
    log_variance: Float[Tensor, "b d *t"] | None = None
    gates: Mapping[int, GateWeights] = field(default_factory=dict)
    halvings: int = 0
    coarser: tuple[Coarser, ...] = ()
    both_directions: bool = False
    segmentation: tuple[Tensor, Tensor] | None = None
