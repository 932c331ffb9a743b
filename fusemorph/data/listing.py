"""The scans of a data set on disk: which files they are, how those are read, whom they show and in which split."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from fusemorph.configuration import written_settings
from fusemorph.data.errors import DataError
from fusemorph.data.header import Header
from fusemorph.data.preprocess import Volume, read_image, read_labels
from fusemorph.data.table import raise_all

SPLITS = ("train", "val", "test")
FRACTIONS = (0.7, 0.1, 0.2)
"""Of subjects in train, val and test, where a data set has no split of its own."""
ENDINGS = (".nii.gz", ".nii")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the files of a scan are read where they do not say everything themselves.

    ``frame`` and ``label_frame``: which volume of a 4-D series, from 0, and of a 4-D series of labels. ``axes``: the
    anatomical directions of the stored axes, such as ``LSA``, in place of those of a header that is known to be wrong.
    ``spacing_mm``: of the stored axes, in place of the header's. ``labels``: pairs of a label of the file and the one
    that it becomes.
    """

    frame: int | None = None
    label_frame: int | None = None
    axes: str = ""
    spacing_mm: tuple[float, ...] | None = None
    labels: tuple[tuple[int, int], ...] = ()

    def place(self, header: Header) -> Header:
        """The header with the directions and the spacing that hold; the middle of the grid stays where it is."""
        if not self.axes and self.spacing_mm is None:
            return header
        linear = header.affine[:3, :3]
        spacing = np.linalg.norm(linear, axis=0)
        linear = directions(self.axes) if self.axes else linear / spacing
        affine = header.affine.copy()
        middle = (np.array([*header.shape, 1][:3]) - 1) / 2
        affine[:3, :3] = linear * (spacing if self.spacing_mm is None else self.spacing_mm)
        affine[:3, 3] += header.affine[:3, :3] @ middle - affine[:3, :3] @ middle
        return replace(header, affine=affine)

    def relabelled(self, labels: Volume) -> Volume:
        """The label map with the labels of the data set."""
        if not self.labels:
            return labels
        array = labels.array.copy()
        for old, new in self.labels:
            array[labels.array == old] = new
        return replace(labels, array=array)


DIRECTIONS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
"""The RAS axis of each anatomical direction, and its sign."""


def directions(axes: str) -> np.ndarray:
    """A matrix whose columns are the RAS directions of axes such as ``LSA``."""
    matrix = np.zeros((3, len(axes)))
    for column, code in enumerate(axes):
        axis, sign = DIRECTIONS[code]
        matrix[axis, column] = sign
    return matrix


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One scan: its files, the subject whom it shows, and where and when it was made, as far as that is known."""

    image: Path
    labels: Path | None = None
    landmarks: Path | None = None
    mask: Path | None = None
    subject: str
    split: str = ""
    site: str = ""
    visit: str = ""
    reading: Reading = Reading()

    @property
    def read_as(self) -> dict[str, Any]:
        """What of ``reading`` is not said by the files themselves, as JSON; empty for most scans."""
        return {name: value for name, value in written_settings(self.reading).items() if value not in (None, "", [])}

    def read(
        self,
        *,
        dimensions: int,
        smallest_side: int | Sequence[int],
        allowed: Collection[int] | None = None,
        strays: bool = False,
    ) -> tuple[Volume, Volume | None]:
        """Image and labels as the files hold them, checked; labels not ``allowed`` become 0 where ``strays`` may be.

        Raises:
            DataError: of ``read_image`` and ``read_labels``.
        """
        way = self.reading
        image = read_image(
            self.image, dimensions=dimensions, smallest_side=smallest_side, place=way.place, frame=way.frame
        )
        if self.labels is None:
            return image, None
        checked = None if strays else allowed
        labels = read_labels(self.labels, image=image, allowed=checked, place=way.place, frame=way.label_frame)
        labels = way.relabelled(labels)
        if strays and allowed is not None:
            labels.array[~np.isin(labels.array, list(allowed))] = 0
        return image, labels


@dataclass(frozen=True, kw_only=True)
class ListedPair:
    """One row of ``pairs.csv`` by scan ids; ``block`` is empty where the table has none."""

    split: str
    fixed: str
    moving: str
    block: str


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The scans of a data set by id; ``pairs`` is empty unless a table lists them.

    ``layout``: which of the data set's layouts was found. ``excluded``: images that are there but not used, with the
    reason. ``righted``: images that do not lie as their headers say, and how they are read.
    """

    scans: dict[str, Listed]
    pairs: list[ListedPair] = field(default_factory=list)
    layout: str = ""
    excluded: dict[Path, str] = field(default_factory=dict)
    righted: dict[Path, str] = field(default_factory=dict)

    @property
    def members(self) -> dict[str, dict[str, str]]:
        """For each split the subject of each scan."""
        scans = self.scans.items()
        return {split: {scan_id: scan.subject for scan_id, scan in scans if scan.split == split} for split in SPLITS}


def with_drawn_splits(
    scans: Mapping[str, Listed], *, folder: Path, seed: int, fractions: Sequence[float], least: int = 2
) -> dict[str, Listed]:
    """The scans with a split for each subject, as ``draw_splits`` gives it.

    Raises:
        DataError: too few subjects in the folder.
    """
    subjects = {scan.subject for scan in scans.values()}
    try:
        drawn = draw_splits(subjects, seed=seed, fractions=fractions, least=least)
    except DataError as error:
        held = f"{len(subjects)} subject{'s' * (len(subjects) != 1)}"
        few = f"holds {held}, too few for train, val and test by fractions {tuple(fractions)}"
        raise DataError(f"{folder}: {few}; is the download complete?") from error
    return {scan_id: replace(scan, split=drawn[scan.subject]) for scan_id, scan in scans.items()}


def require_pairs_within(scans: Mapping[str, Listed], need: str) -> None:
    """Refuse scans that are the only one of their subject, where pairs are within subjects (task ``intra``).

    Raises:
        DataError: with a line for each; ``need`` says what is due.
    """
    subjects = Counter(scan.subject for scan in scans.values())
    rule = f"the only image of its subject; pairs within subjects (task 'intra') need {need}"
    raise_all(f"{scan.image}: is {rule}" for scan in scans.values() if subjects[scan.subject] == 1)


def draw_splits(subjects: Iterable[str], *, seed: int, fractions: Sequence[float], least: int) -> dict[str, str]:
    """A split for each subject, drawn by ``seed``: ``fractions`` of them to train, val, test.

    Val and test get ``least`` or more subjects, unless their fraction is 0.

    Raises:
        DataError: too few subjects are left to train.
    """
    names = sorted(set(subjects))
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    val, test = (max(least, round(part * len(names))) if part else 0 for part in fractions[1:])
    if len(names) - val - test < least:
        raise DataError(
            f"{len(names)} subjects or groups are too few for train, val and test by fractions {tuple(fractions)}; "
            "add images, or name the splits in a table"
        )
    drawn = dict.fromkeys(order, "train")
    return drawn | dict.fromkeys(order[:val], "val") | dict.fromkeys(order[val : val + test], "test")


def without_ending(name: str) -> str:
    """A file's name less ``.nii.gz`` or ``.nii``."""
    for ending in ENDINGS:
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return name
