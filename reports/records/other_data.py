"""What the trials of a study score on a data set that they were not trained on."""

from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True, kw_only=True)
class OtherData:
    """A split of another data set, as the study describes the set, and the ``pairs`` of every evaluated trial."""

    folder: str
    split: str
    dataset: dict[str, Any]
    pairs: pd.DataFrame

    @property
    def name(self) -> str:
        """What the data set is called."""
        return str(self.dataset.get("name") or self.folder)
