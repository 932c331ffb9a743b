"""Data sets whose scans a listing names."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from fusemorph.bounds import SMALLEST_SIDE
from fusemorph.data.errors import DataError
from fusemorph.data.files import FileDataset
from fusemorph.data.listing import Listed, Listing, without_ending
from fusemorph.data.preprocess import Volume

LANDMARKS = ("_landmarks.csv", "_landmarks.tsv", "_landmarks.json")
"""The ends of the names of files of landmarks beside an image."""


class ListedDataset(FileDataset):
    """Scans of files that a ``Listing`` names.

    ``allowed_labels``: those that a label map may hold, None for any. ``strays``: whether others become 0, rather than
    being refused. ``listing`` says of each scan what ``check`` counts.
    """

    allowed_labels: Collection[int] | None = None
    strays: ClassVar[bool] = False
    without_spacing: ClassVar[str] = ""
    """Of a set whose images never have voxels of 1x1x1 mm: what ``check`` says of copies whose headers all say so."""
    smallest_side: int | tuple[int, ...] = SMALLEST_SIDE
    landmarks_beside: ClassVar[bool] = True
    """Whether landmarks lie beside images, as ``NAME_landmarks.csv``; else the listing names them."""

    def __init__(self, listing: Listing, *, folders: Sequence[Path], **rest: Any) -> None:
        if self.landmarks_beside:
            listing = replace(listing, scans={name: _with_landmarks(scan) for name, scan in listing.scans.items()})
        self.listing, self._folders = listing, tuple(folders)
        super().__init__(members=listing.members, **rest)

    def files(self, scan_id: str) -> tuple[Path, ...]:
        """The image, and the labels where there are any."""
        scan = self.listing.scans[scan_id]
        return tuple(path for path in (scan.image, scan.labels) if path is not None)

    def beside(self, scan_id: str) -> Mapping[str, Path]:
        """The files of its landmarks and its mask."""
        scan = self.listing.scans[scan_id]
        named = {"landmarks": scan.landmarks, "mask": scan.mask}
        return {name: path for name, path in named.items() if path is not None}

    def has_labels(self, scan_id: str) -> bool:
        """Whether a label file is listed for it."""
        return self.listing.scans[scan_id].labels is not None

    def folders(self) -> tuple[Path, ...]:
        """The folders that hold the data set's images."""
        return self._folders

    def excluded(self) -> Mapping[Path, str]:
        """Images that the listing leaves out, with the reason of each."""
        return self.listing.excluded

    def _content(self, scan_id: str) -> Any:
        read_as = self.listing.scans[scan_id].read_as
        content = super()._content(scan_id)
        return [*content, {"read_as": read_as}] if read_as else content

    def _read(self, scan_id: str) -> tuple[Volume, Volume | None]:
        return self.listing.scans[scan_id].read(
            dimensions=len(self.shape),
            smallest_side=self.smallest_side,
            allowed=self.allowed_labels,
            strays=self.strays,
        )


def _with_landmarks(scan: Listed) -> Listed:
    """The scan with its landmarks, where a file beside the image holds them; frames of a series have none."""
    if scan.landmarks is not None or scan.reading.frame is not None:
        return scan
    name = without_ending(scan.image.name).removesuffix(".mgz")
    found = [path for ending in LANDMARKS if (path := scan.image.with_name(f"{name}{ending}")).exists()]
    if len(found) > 1:
        raise DataError(f"{found[1]}: holds landmarks of the image, as {found[0].name} does; keep one of them")
    return replace(scan, landmarks=found[0]) if found else scan
