"""Named search spaces around a base configuration."""

from collections.abc import Callable, Mapping

from fusemorph.configuration import Json
from fusemorph.fusion.plan import has_gate
from nas.parameter import Choice, Parameter, Range
from nas.space import Space

GATE_PARAMETERS: tuple[Parameter, ...] = (
    Choice("gate.granularity", ("scalar", "channel", "voxel", "voxel_channel")),
    Choice("gate.normalisation", ("softmax", "sigmoid")),
    Choice("gate.temperature", (0.5, 1.0, 2.0)),
    Choice("gate.initial_bias", (None, -1.0, 0.0, 1.0)),
    Choice("gate.hard", (False, True)),
)
TRAINING_PARAMETERS: tuple[Parameter, ...] = (
    Choice("width", (4, 6, 8, 12)),
    Choice("loss.window", (7, 9, 11)),
    Range("loss.kl_weight", 1e-3, 1e-1, log=True),
    Range("budget.learning_rate", 1e-4, 2e-3, log=True),
)


def placement(base: Json, operators: str = "jsg") -> Space:
    """Where to fuse: the operator of each stage."""
    return Space(base, operators)


def tiny(base: Json) -> Space:
    """181 coarse-to-fine plans, few enough to train them all: stages 2 and 3, 4 and 5, 6 and 7 take one operator each.

    Stages 1 to 3 are joint, single or a gate of both; the others predict from joint, single, correlation, match or a
    gate of three.
    """
    return Space(base, "jsg/jscmq", tied=((2, 3), (4, 5), (6, 7)))


SPACES: Mapping[str, Callable[[Json], Space]] = {"tiny": tiny, "placement": placement}
"""Spaces of plans alone, which can be trained to the last plan."""


def gate(base: Json) -> Space:
    """How gates weigh the two features, at the plan of ``base``, which must have a live gate."""
    return Space(base, "", GATE_PARAMETERS)


def full(base: Json, operators: str = "jsg") -> Space:
    """Where to fuse, how gates weigh where there are any, the width, the objective and the learning rate."""
    gates = GATE_PARAMETERS if has_gate(operators) else ()
    return Space(base, operators, (*gates, *TRAINING_PARAMETERS))
