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
from fusemorph.method import Method

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

    goal, shares = count(reference), SHARES[reference.backbone]
    width = reference.channels[0] / shares[0]
    tolerance = 0.03 if width <= 8 else 0.02

    @cache
    def ratio(channels: Channels) -> float:
        return count(replace(method, channels=channels)) / goal

    for grain in [2] if reference.backbone == "convolution" else [n for n in (16, 8, 4, 2) if n <= max(2, width)]:
        channels = _adjust_levels(_solve_width(ratio, width, shares, grain), ratio, tolerance, grain)
        if abs(ratio(channels) - 1) <= tolerance:
            return channels
    raise ValueError(
        f"match_channels(): plan {method.plan} at channels {channels} has {ratio(channels):.3f} of the "
        f"reference's {measure}; no closer match was found"
    )


def match_scale(
    at_scale: Callable[[float], Method], reference: Method, *, measure: Measure, shape: Sequence[int]
) -> Method:
    """The one of the methods ``at_scale(share)`` nearest to the reference in parameters or forward FLOPs.

    For methods whose channels are their own: ``share`` multiplies all of them, and is bisected between 1/8 and 8.

    Raises:
        ValueError: none comes within 2 %.
    """

    def count(counted: Method) -> int:
        return count_flops(counted, tuple(shape)) if measure == "flops" else count_parameters(counted, len(shape))

    goal, low, high = count(reference), 0.125, 8.0
    tried: dict[float, Method] = {}
    for _ in range(16):
        middle = (low * high) ** 0.5
        method = at_scale(middle)
        size = count(method)
        tried[abs(size / goal - 1)] = method
        low, high = (low, middle) if size > goal else (middle, high)
    if min(tried) > 0.02:
        raise ValueError(
            f"match_scale(): {reference.name!r} has {goal} {measure}; the nearest match of it is {min(tried):.1%} away"
        )
    return tried[min(tried)]


def _rounded(width: float, shares: Channels, grain: int) -> Channels:
    """AutoFuse's channels at a real width, each a multiple of ``grain``."""
    return tuple(max(grain, grain * round(share * width / grain)) for share in shares)


def _solve_width(ratio: Callable[[Channels], float], width: float, shares: Channels, grain: int) -> Channels:
    """The width at which the ratio is near 1: parameters and FLOPs grow about as its square."""
    for _ in range(4):
        width /= ratio(_rounded(width, shares, grain)) ** 0.5
    return _rounded(width, shares, grain)


def _adjust_levels(channels: Channels, ratio: Callable[[Channels], float], tolerance: float, grain: int) -> Channels:
    """Move one level at a time by ``grain`` channels, always the move that comes closest."""
    while abs(ratio(channels) - 1) > tolerance:
        best = min(_neighbours(channels, grain), key=lambda candidate: abs(ratio(candidate) - 1))
        if abs(ratio(best) - 1) >= abs(ratio(channels) - 1):
            break
        channels = best
    return channels


def _neighbours(channels: Channels, grain: int) -> list[Channels]:
    moves = []
    for level in range(len(channels)):
        for step in (-grain, grain):
            moved = (*channels[:level], channels[level] + step, *channels[level + 1 :])
            if moved[level] >= grain:
                moves.append(moved)
    return moves
