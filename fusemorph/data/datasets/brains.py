"""The four training sets of the paper as one: ADNI, ABIDE, ADHD-200 and IXI, without a scan or a subject twice."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from fusemorph.data.brain import BrainDataset, BrainSettings
from fusemorph.data.cache import content_digest
from fusemorph.data.datasets.abide import Abide
from fusemorph.data.datasets.adhd200 import Adhd200
from fusemorph.data.datasets.adni import Adni
from fusemorph.data.datasets.ixi import Ixi
from fusemorph.data.errors import DataError
from fusemorph.data.listed import ListedDataset
from fusemorph.data.listing import Listed, Listing

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
        present = {name: kind for name, kind in PARTS.items() if (folder / name).is_dir()}
        if len(present) < 2:
            raise DataError(f"{folder}: must hold two or more of the folders {', '.join(PARTS)}, holds {len(present)}")
        scans: dict[str, Listed] = {}
        excluded: dict[Path, str] = {}
        for name, kind in present.items():
            part = kind(folder / name, cache=cache, seed=options.seed, fractions=options.fractions)
            assert isinstance(part, ListedDataset)
            excluded |= part.listing.excluded
            scans |= {f"{name}_{scan_id}": _named(scan, name) for scan_id, scan in part.listing.scans.items()}
        kept, twice = _without_duplicates(scans, cache=cache)
        return Listing(scans=kept, layout=" + ".join(present), excluded=excluded | twice)

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """The examples of ABIDE and IXI, side by side."""
        for name in ("abide", "ixi"):
            PARTS[name].example(folder / name)
        grid = {"spacing_mm": 1.0, "shape": [24, 28, 24], "align": "none"}
        return {"data": folder, **grid, "fractions": [0.25, 0.375, 0.375]}


def _named(scan: Listed, part: str) -> Listed:
    return replace(scan, subject=f"{part}_{scan.subject}", site=scan.site or part)


def _without_duplicates(scans: Mapping[str, Listed], *, cache: Path) -> tuple[dict[str, Listed], dict[Path, str]]:
    """The scans less images that another set has, too, and those with the reason; whoever they show is one subject."""
    first: dict[str, str] = {}
    same: dict[str, Listed] = {}
    excluded: dict[Path, str] = {}
    for scan_id, scan in scans.items():
        other = scans[first.setdefault(content_digest(scan.image, cache=cache), scan_id)]
        if other is not scan and other.subject != scan.subject:
            excluded[scan.image] = f"is the same image as {other.image}, of another set"
            same[scan.subject] = same.get(other.subject, other)
    joined = {
        scan_id: replace(scan, subject=same[scan.subject].subject, split=same[scan.subject].split)
        if scan.subject in same
        else scan
        for scan_id, scan in scans.items()
        if scan.image not in excluded
    }
    return joined, excluded
