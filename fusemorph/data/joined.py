"""Several data sets as one, without a scan or a subject twice."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from fusemorph.data.cache import content_digest
from fusemorph.data.curation import overlaps
from fusemorph.data.dataset import Dataset
from fusemorph.data.errors import DataError
from fusemorph.data.listed import ListedDataset
from fusemorph.data.listing import Listed, Listing


def join(folder: Path, parts: Mapping[str, Callable[[Path], Dataset]], *, cache: Path) -> Listing:
    """The scans of the data sets that lie in ``folder`` under their names, each as it is by itself.

    ``parts``: what opens each of them. Ids and subjects begin with the name of their set. Where an image is in two
    sets, the first one keeps it, and all scans of the person whom it shows are one subject, in one split.

    Raises:
        DataError: fewer than two are there, two of which it is known that they show some of the same people under other
            names, or one is unusable.
    """
    present = {name: opened for name, opened in parts.items() if (folder / name).is_dir()}
    if len(present) < 2:
        raise DataError(f"{folder}: must hold two or more of the folders {', '.join(parts)}, holds {len(present)}")
    for name in present:
        for other in present.keys() & overlaps(name).keys():
            raise DataError(f"{folder}: {name} and {other} cannot be one set: {overlaps(name)[other]}")
    scans: dict[str, Listed] = {}
    excluded: dict[Path, str] = {}
    for name, opened in present.items():
        part = opened(folder / name)
        assert isinstance(part, ListedDataset)
        excluded |= part.listing.excluded
        scans |= {f"{name}_{scan_id}": _named(scan, name) for scan_id, scan in part.listing.scans.items()}
    kept, twice = _without_duplicates(scans, cache=cache)
    return Listing(scans=kept, layout=" + ".join(present), excluded=excluded | twice)


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
