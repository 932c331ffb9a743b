"""Label maps shown to a network beside the images: what controls of input fusion see in place of predictions."""

import hashlib
from copy import copy
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fusemorph.data.dataset import Dataset

Given = Literal["true", "another"]
"""The scan's own label map, or that of another subject."""


def giving(dataset: Dataset, given: Given) -> Dataset:
    """The same data, whose scans carry a label map to be shown (``Scan.given``).

    Raises:
        ValueError: a scan of train has no label map that training may see.
    """
    seeing = set(dataset.labelled_subjects)
    if any(dataset.subject(scan_id) not in seeing for scan_id in dataset.scan_ids("train")):
        raise ValueError(f"{dataset.name}: label maps can only be shown where every subject of train is labelled")
    shown = copy(dataset)
    shown.give = _LabelMaps(dataset, given)
    return shown


@dataclass(frozen=True)
class _LabelMaps:
    dataset: Dataset
    given: Given

    def __call__(self, scan_id: str) -> np.ndarray | None:
        if self.given == "true":
            return self.dataset.scan(scan_id).labels
        # From train throughout, and the same for each scan at all times.
        subject = self.dataset.subject(scan_id)
        others = [other for other in self.dataset.scan_ids("train") if self.dataset.subject(other) != subject]
        drawn = int.from_bytes(hashlib.sha256(scan_id.encode()).digest()[:8], "big") % len(others)
        return self.dataset.scan(others[drawn]).labels
