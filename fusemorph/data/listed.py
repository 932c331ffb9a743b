"""Data sets whose scans a listing names, and those of them whose common grid is measured on the scans."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from fusemorph.bounds import SMALLEST_SIDE
from fusemorph.data.cache import Arrays, cache_folder
from fusemorph.data.files import FileDataset
from fusemorph.data.listing import Listing
from fusemorph.data.preprocess import Volume
from fusemorph.data.survey import Grid, check_grids, common_grid, median_spacing_mm, survey_scans


class ListedDataset(FileDataset):
    """Scans of files that a ``Listing`` names.

    ``known_labels``: those that a label map may hold, None for any. ``strays``: whether others become 0, rather than
    being refused. ``listing`` says of each scan what ``check`` counts.
    """

    known_labels: Collection[int] | None = None
    strays: ClassVar[bool] = False
    smallest_side: int | tuple[int, ...] = SMALLEST_SIDE

    def __init__(self, listing: Listing, *, folders: Sequence[Path], **rest: Any) -> None:
        self.listing, self._folders = listing, tuple(folders)
        super().__init__(members=listing.members, **rest)

    def files(self, scan_id: str) -> tuple[Path, ...]:
        """The image, and the labels where there are any."""
        scan = self.listing.scans[scan_id]
        return tuple(path for path in (scan.image, scan.labels) if path is not None)

    def has_labels(self, scan_id: str) -> bool:
        """Whether a label file is listed for it."""
        return self.listing.scans[scan_id].labels is not None

    def folders(self) -> tuple[Path, ...]:
        """The folders that hold the data set's images."""
        return self._folders

    def _content(self, scan_id: str) -> Any:
        read_as = self.listing.scans[scan_id].read_as
        content = super()._content(scan_id)
        return [*content, {"read_as": read_as}] if read_as else content

    def _read(self, scan_id: str) -> tuple[Volume, Volume | None]:
        return self.listing.scans[scan_id].read(
            dimensions=len(self.shape), smallest_side=self.smallest_side, known=self.known_labels, strays=self.strays
        )


class MeasuredDataset(ListedDataset):
    """Scans on a grid around their foreground, of which what is None is measured on the scans.

    ``spacing_mm``: the median of train and val, since test images must not move what training sees. ``shape``: the
    smallest that holds every foreground box. ``groups``: scans that share one window, so that their alignment stays;
    they must share their own grid. ``labels``: None for those that the scans hold, named by their numbers.
    """

    def __init__(
        self,
        listing: Listing,
        *,
        groups: Mapping[str, str],
        foreground: str,
        spacing_mm: Sequence[float] | None,
        shape: Sequence[int] | None,
        dimensions: int | None = None,
        labels: Mapping[int, str] | None = None,
        settings: Mapping[str, Any],
        cache: Path | None,
        **rest: Any,
    ) -> None:
        root = cache_folder(cache)
        surveys = survey_scans(listing.scans, smallest_side=self.smallest_side, cache=root, dimensions=dimensions)
        images = {scan_id: scan.image for scan_id, scan in listing.scans.items()}
        check_grids(surveys, groups=groups, images=images)
        spacing_mm = [float(each) for each in spacing_mm or median_spacing_mm(_seen(listing, surveys))]
        self._grid: Grid = common_grid(
            surveys, groups=groups, images=images, spacing_mm=spacing_mm, shape=shape, foreground=foreground
        )
        values = sorted({int(value) for survey in surveys.values() for value in survey["values"]})
        measured = {name: list(getattr(self._grid, name)) for name in ("spacing_mm", "shape")}
        super().__init__(
            listing,
            shape=self._grid.shape,
            spacing_mm=self._grid.spacing_mm,
            labels={value: str(value) for value in values} if labels is None else labels,
            settings={**settings, **measured},
            cache=root,
            **rest,
        )

    def _start(self, scan_id: str, image: Volume) -> tuple[int, ...]:
        return self._grid.starts[scan_id]

    def _grid_key(self, scan_id: str) -> dict[str, Any]:
        grid = {name: self.settings[name] for name in ("spacing_mm", "shape", "percentiles")}
        return {"start": self._grid.starts[scan_id], **grid}


def _seen(listing: Listing, surveys: Mapping[str, Arrays]) -> list[Arrays]:
    """Of train and val, or of all where there are none."""
    seen = [surveys[scan_id] for scan_id, scan in listing.scans.items() if scan.split != "test"]
    return seen or list(surveys.values())
