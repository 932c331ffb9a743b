"""Scans and pairs of them, as methods are given them."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Scan:
    """One preprocessed image of one subject: float32 in [0, 1], int16 labels on the same grid or None.

    ``affine`` maps voxels of this grid to RAS millimetres (4x4; 3x3 in 2-D), those of the reference where the scan was
    aligned to one. ``landmarks`` are points ``(n, d)`` in voxels of the grid, fractions included; ``mask`` is above 0
    where the scan is to be measured. ``masked``: what the mask limits beside regularity, see ``fusemorph.data.masked``.
    ``given``: a label map that a control is shown, too. The arrays are read-only memory maps.
    """

    id: str
    subject: str
    image: np.ndarray
    labels: np.ndarray | None
    spacing_mm: tuple[float, ...]
    affine: np.ndarray
    landmarks: np.ndarray | None = None
    mask: np.ndarray | None = None
    masked: frozenset[str] = frozenset()
    given: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class PairIndex:
    """An evaluation pair by the ids of its scans, without the arrays."""

    split: str
    fixed: str
    moving: str
    block: str

    @property
    def name(self) -> str:
        """``fixed<-moving``."""
        return f"{self.fixed}<-{self.moving}"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two scans on one grid; ``displacement`` is the true one ``(d, *s)`` in voxels where it is known."""

    split: str
    fixed: Scan
    moving: Scan
    block: str
    displacement: np.ndarray | None = None

    @property
    def name(self) -> str:
        """``fixed<-moving``, as in ``PairIndex``."""
        return f"{self.fixed.id}<-{self.moving.id}"

    @property
    def foreground(self) -> np.ndarray:
        """Mask ``(*s)`` of the fixed scan, if it has one; else its labels, or else its voxels above zero."""
        within = (region for region in (self.fixed.mask, self.fixed.labels) if region is not None)
        return np.asarray(next(within, self.fixed.image) > 0)

    def limits(self, use: str) -> np.ndarray | None:
        """Mask ``(*s)`` of the fixed scan, where it has one and masks limit this ``use``; None for no limits."""
        return None if self.fixed.mask is None or use not in self.fixed.masked else np.asarray(self.fixed.mask > 0)
