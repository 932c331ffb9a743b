"""Colours as eyes see them, in CIE Lab, with simulated colour blindness (Machado et al. 2009, severity 1)."""

import numpy as np

DEFICIENCIES = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
_TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
_WHITE = (0.95047, 1.0, 1.08883)


def linear(colours: np.ndarray) -> np.ndarray:
    """sRGB (n, 3) in 0 to 1 as linear light."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def seen(colours: np.ndarray, deficiency: str | None = None) -> np.ndarray:
    """sRGB (n, 3) as CIE Lab (n, 3), as an eye with that deficiency sees it."""
    light = linear(colours)
    if deficiency is not None:
        light = np.clip(light @ np.array(DEFICIENCIES[deficiency]).T, 0, 1)
    ratio = light @ np.array(_TO_XYZ).T / np.array(_WHITE)
    root = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.stack([116 * root[:, 1] - 16, 500 * (root[:, 0] - root[:, 1]), 200 * (root[:, 1] - root[:, 2])], axis=1)


def contrast(first: np.ndarray, second: np.ndarray) -> float:
    """Contrast of two sRGB colours as WCAG defines it."""
    bright, dark = sorted(
        (float(linear(colour) @ (0.2126, 0.7152, 0.0722)) for colour in (first, second)), reverse=True
    )
    return (bright + 0.05) / (dark + 0.05)
