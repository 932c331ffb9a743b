"""The four training sets of the paper as one: ADNI, ABIDE, ADHD-200 and IXI, without a scan or a subject twice."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from fusemorph.data.brain import BrainDataset, BrainSettings
from fusemorph.data.datasets.abide import Abide
from fusemorph.data.datasets.adhd200 import Adhd200
from fusemorph.data.datasets.adni import Adni
from fusemorph.data.datasets.ixi import Ixi
from fusemorph.data.joined import join
from fusemorph.data.listing import Listing

PARTS: Mapping[str, type[BrainDataset]] = {"adni": Adni, "abide": Abide, "adhd200": Adhd200, "ixi": Ixi}


@dataclass(frozen=True, kw_only=True)
class BrainsSettings(BrainSettings):
    """As ``BrainSettings``; ``seed`` and ``fractions`` draw the split of each set by itself."""

    dataset: ClassVar[str] = "brains"


class Brains(BrainDataset):
    """Folders ``adni``, ``abide``, ``adhd200`` and ``ixi`` (links are followed), at least two, each as it is by itself.

    Ids and subjects begin with the name of their set. Where an image is in two sets, the first set keeps it, and all
    scans of the person whom it shows are one subject, in one split.
    """

    name = "brains"
    title = "ADNI, ABIDE, ADHD-200 and IXI together"
    source = "the sources of the four sets; trained on together by Meng et al. 2025, AutoFuse"
    licence = "those of the four sets, of which ADNI needs a data use agreement"
    download = "the four sets, see `fusemorph datasets adni abide adhd200 ixi`"
    layout = "{adni, abide, adhd200, ixi}/, each as expected by itself"
    companions = frozenset[str]().union(*(part.companions for part in PARTS.values()))
    settings_kind = BrainsSettings

    def _listed(self, folder: Path, options: Any, cache: Path) -> Listing:
        settings = {"cache": cache, "seed": options.seed, "fractions": options.fractions}
        return join(folder, {name: partial(kind, **settings) for name, kind in PARTS.items()}, cache=cache)

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """The examples of ABIDE and IXI, side by side."""
        for name in ("abide", "ixi"):
            PARTS[name].example(folder / name)
        grid = {"spacing_mm": 1.0, "shape": [24, 28, 24], "align": "none"}
        return {"data": folder, **grid, "fractions": [0.25, 0.375, 0.375]}
