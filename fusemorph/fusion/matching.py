"""Capacity matching: the channels at which a plan has the parameters, or the FLOPs, of a reference network.

Without it "AutoFuse beats early fusion" confounds where fusion happens with more parameters.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Literal

from fusemorph.complexity import count_flops, count_parameters
from fusemorph.fusion.fusion_network import SHARES, Channels
from fusemorph.fusion.method import Fusion

Measure = Literal["parameters", "flops"]


def match_channels(method: Fusion, reference: Fusion, *, measure: Measure, shape: Sequence[int]) -> Channels:
    """Channels for ``method`` whose parameters or forward FLOPs at the padded ``shape`` are those of ``reference``.

    Solves for the real width, rounds each level to even, then moves single levels by two channels until the ratio is
    within 2 % (3 % where the reference has c <= 8). A transformer's heads must divide its channels: there levels are
    rounded to, and moved by, 16 channels, or c if that is less, or by half as many until that comes close enough.

    Raises:
        ValueError: the backbones differ, or no channels come that close.
    """
    if method.backbone != reference.backbone:
        raise ValueError(
            f"match_channels(): 'method' must have the backbone of 'reference', got {method.backbone} and "
            f"{reference.backbone}"
        )

    def count(counted: Fusion) -> int:
        return count_flops(counted, tuple(shape)) if measure == "flops" else count_parameters(counted, len(shape))

    target, shares = count(reference), SHARES[reference.backbone]
    width = reference.channels[0] / shares[0]
    tolerance = 0.03 if width <= 8 else 0.02

    @cache
    def ratio(channels: Channels) -> float:
        return count(replace(method, channels=channels)) / target

    steps = [2] if reference.backbone == "convolution" else [n for n in (16, 8, 4, 2) if n <= max(2, width)]
    for channel_step in steps:
        channels = _adjust_levels(_solve_width(ratio, width, shares, channel_step), ratio, tolerance, channel_step)
        if abs(ratio(channels) - 1) <= tolerance:
            return channels
    raise ValueError(
        f"match_channels(): plan {method.plan} at channels {channels} has {ratio(channels):.3f} of the "
        f"reference's {measure}; no closer match was found"
    )


def _rounded(width: float, shares: Channels, channel_step: int) -> Channels:
    """AutoFuse's channels at a real width, each a multiple of ``channel_step``."""
    return tuple(max(channel_step, channel_step * round(share * width / channel_step)) for share in shares)


def _solve_width(ratio: Callable[[Channels], float], width: float, shares: Channels, channel_step: int) -> Channels:
    """The width at which the ratio is near 1: parameters and FLOPs grow about as its square."""
    for _ in range(4):
        width /= ratio(_rounded(width, shares, channel_step)) ** 0.5
    return _rounded(width, shares, channel_step)


def _adjust_levels(
    channels: Channels, ratio: Callable[[Channels], float], tolerance: float, channel_step: int
) -> Channels:
    """Move one level at a time by ``channel_step`` channels, always the move that comes closest."""
    while abs(ratio(channels) - 1) > tolerance:
        best = min(_neighbours(channels, channel_step), key=lambda candidate: abs(ratio(candidate) - 1))
        if abs(ratio(best) - 1) >= abs(ratio(channels) - 1):
            break
        channels = best
    return channels


def _neighbours(channels: Channels, channel_step: int) -> list[Channels]:
    moves = []
    for level in range(len(channels)):
        for step in (-channel_step, channel_step):
            moved = (*channels[:level], channels[level] + step, *channels[level + 1 :])
            if moved[level] >= channel_step:
                moves.append(moved)
    return moves
