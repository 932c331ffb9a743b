"""Data sets on a grid that is measured on their images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from fusemorph.bounds import SMALLEST_SIDE
from fusemorph.data.cache import Arrays, cache_folder
from fusemorph.data.listed import ListedDataset
from fusemorph.data.listing import FRACTIONS, Listing
from fusemorph.data.preprocess import Volume
from fusemorph.data.settings import canonical, check_fractions, check_percentiles, check_seed
from fusemorph.data.survey import Grid, check_grids, common_grid, median_spacing_mm, survey_scans


@dataclass(frozen=True, kw_only=True)
class MeasuredSettings:
    """How images of any kind are read; what is None is measured on the files.

    ``task``: ``inter`` pairs different subjects, ``intra`` the images of one subject. ``spacing_mm``: the median of
    train and val. ``shape``: the smallest that holds every foreground box. ``foreground``: ``labels``, or ``image``
    (voxels above the image's minimum, and labels); a grid lies around its centre, in ``intra`` around that of all
    images of the subject. Measured: ``labels`` within subjects, ``image`` between them, where the centre of labels
    would give away the answer. ``seed`` and ``fractions`` (train, val, test) draw splits where no table names them.
    Images with fewer than ``smallest_side`` voxels along an axis are refused; a smaller number lets them be padded.
    ``align``: as in ``FileDataset``.
    """

    dataset: ClassVar[str] = "folder"
    task: str = "inter"
    spacing_mm: tuple[float, ...] | None = None
    shape: tuple[int, ...] | None = None
    percentiles: tuple[float, ...] = (1.0, 99.0)
    foreground: str | None = None
    seed: int = 0
    fractions: tuple[float, ...] = FRACTIONS
    smallest_side: int = SMALLEST_SIDE
    align: str = "none"

    def __post_init__(self) -> None:
        if self.task not in ("inter", "intra"):
            raise ValueError(f"{self.dataset}: 'task' must be 'inter' or 'intra', got {self.task!r}")
        if self.foreground not in (None, "image", "labels"):
            raise ValueError(f"{self.dataset}: 'foreground' must be 'image' or 'labels', got {self.foreground!r}")
        check_percentiles(self.dataset, self.percentiles)
        check_fractions(self.dataset, self.fractions)
        check_seed(self.dataset, self.seed)
        if self.smallest_side < 1:
            raise ValueError(f"{self.dataset}: 'smallest_side' must be 1 or more, got {self.smallest_side}")


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


def arguments_of(listing: Listing, options: MeasuredSettings) -> dict[str, Any]:
    """What the settings mean for ``MeasuredDataset``: one window a scan between subjects, one a subject within them."""
    intra = options.task == "intra"
    labelled = any(scan.labels for scan in listing.scans.values())
    foreground = options.foreground or ("labels" if intra and labelled else "image")
    return {
        "groups": {scan_id: scan.subject if intra else scan_id for scan_id, scan in listing.scans.items()},
        "foreground": foreground,
        "spacing_mm": options.spacing_mm,
        "shape": options.shape,
        "settings": canonical(options) | {"foreground": foreground},
        "align": options.align,
        "percentiles": options.percentiles,
    }
