"""What the masks of a data set limit, beside folding, regularity and endpoint error, which they always do."""

from copy import copy
from typing import Any

from fusemorph.data.dataset import Dataset

MASKED = "masked"
"""What the setting is called in every data set."""
METRICS, LOSS = "metrics", "loss"
WORDS = {
    METRICS: "Overlap and surface distances are those of labels within the masks of the fixed images.",
    LOSS: "Networks are trained by the similarity within the masks of the fixed images.",
}
CHOICES = {METRICS: {METRICS}, LOSS: {LOSS}, "both": {METRICS, LOSS}}


def with_masked(dataset: Dataset, masked: Any) -> Dataset:
    """The same data with metrics, the loss or both limited to the masks of fixed images; others are not limited.

    ``metrics``: overlap and surface distances of labels, in validation too, and Learn2Reg's smoothness. ``loss``: the
    similarity that networks are trained by, and that instance optimisation descends.

    Raises:
        ValueError: another choice, or no scan has a mask.
    """
    if not isinstance(masked, str) or masked not in CHOICES:
        raise ValueError(f"{dataset.name}: 'masked' must be one of {', '.join(CHOICES)}, got {masked!r}")
    scan_ids = (scan_id for split in dataset.splits for scan_id in dataset.scan_ids(split))
    if not any("mask" in dataset.beside(scan_id) for scan_id in scan_ids):
        raise ValueError(f"{dataset.name}: 'masked' needs masks beside the images, and no image has one here")
    limited = copy(dataset)
    limited.masked = frozenset(CHOICES[masked])
    limited.settings = {**dataset.settings, MASKED: masked}
    return limited


def sentences(dataset: Dataset) -> list[str]:
    """What a study says of how it was run where masks limit it; none otherwise."""
    return [words for what, words in WORDS.items() if what in dataset.masked]
