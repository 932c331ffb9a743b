"""Hippocampus of the Medical Segmentation Decathlon: T1 crops around one hippocampus, two parts labelled."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fusemorph.configuration import LATER
from fusemorph.data.dataset import PairIndex
from fusemorph.data.errors import DataError
from fusemorph.data.files import FileDataset
from fusemorph.data.phantom import write_phantom
from fusemorph.data.preprocess import Volume, centred_start, read_image, read_labels
from fusemorph.data.settings import canonical, check_percentiles, check_shape, read_settings

LAST_ID = {"train": 250, "val": 310, "test": 999}
VOLUMES = {"train": 161, "val": 39, "test": 60}
SPACING_MM = (1.0, 1.0, 1.0)
PAIRINGS = ("subjects", "learn2reg2020")


@dataclass(frozen=True, kw_only=True)
class HippocampusSettings:
    """``shape``: the common grid, around each image's centre, 0 outside; ``percentiles``: mapped to 0 and 1.

    ``align``: as in ``FileDataset``. ``pairing``: the test pairs; ``subjects`` leaves out pairs of one subject,
    ``learn2reg2020`` are the 60 ordered pairs of the validation of Learn2Reg 2020, two of which, 351 with 352 in both
    directions, show the two sides of one subject.
    """

    shape: tuple[int, ...] = (48, 64, 48)
    percentiles: tuple[float, ...] = (1.0, 99.0)
    align: str = "none"
    pairing: str = field(default="subjects", metadata=LATER)

    def __post_init__(self) -> None:
        if self.pairing not in PAIRINGS:
            raise ValueError(f"hippocampus: 'pairing' must be one of {', '.join(PAIRINGS)}, got {self.pairing!r}")
        check_shape("hippocampus", self.shape, dimensions=3)
        check_percentiles("hippocampus", self.percentiles)


class Hippocampus(FileDataset):
    """Task 4 in its own layout (``imagesTr``, ``labelsTr``), split by id: train to 250, val to 310, test beyond.

    Intensity scales differ by four orders of magnitude between files, hence percentiles of each image. Ids 2k - 1 and
    2k are the two sides of one subject, who is never paired with himself.
    """

    name = "hippocampus"
    title = "Hippocampus, Medical Segmentation Decathlon task 4"
    source = "Simpson et al. 2019, arXiv 1902.09063; Vanderbilt University Medical Center; medicaldecathlon.com"
    licence = "CC BY-SA 4.0"
    download = "Task04_Hippocampus.tar from medicaldecathlon.com, unpacked"
    layout = "{imagesTr, labelsTr}/hippocampus_001.nii.gz"
    companions = frozenset({"dataset.json"})

    def __init__(self, data: Path | None = None, *, cache: Path | None = None, **settings: Any) -> None:
        self._options = read_settings(HippocampusSettings, settings, dataset=self.name)
        self._data = _task_folder(data)
        super().__init__(
            members=_members(self._data),
            shape=tuple(self._options.shape),
            spacing_mm=SPACING_MM,
            labels={1: "anterior", 2: "posterior"},
            settings=canonical(self._options),
            align=self._options.align,
            percentiles=self._options.percentiles,
            cache=cache,
        )
        if self._options.pairing == "learn2reg2020":
            self._require_official_test()

    def pairs(self, split: str) -> tuple[PairIndex, ...]:
        """As in ``Dataset``; with ``pairing`` ``learn2reg2020`` test keeps the pairs of one subject.

        Source: Learn2Reg 2020, task 4, whose validation is the labelled volumes 311 to 394.
        """
        if split != "test" or self._options.pairing == "subjects":
            return super().pairs(split)
        ids = self.scan_ids(split)
        return self._index(split, [*zip(ids, reversed(ids), strict=True)])

    def _require_official_test(self) -> None:
        found, due = len(self._members.get("test", {})), VOLUMES["test"]
        if found != due:
            raise DataError(
                f"{self._data}: 'pairing' learn2reg2020 needs all {due} volumes of test ({_range('test')}), "
                f"{found} are here; leave the setting out to pair those that are here"
            )

    def missing(self, split: str) -> tuple[str, ...]:
        """The shortfall against the official split, which the project's figures are of."""
        if split not in VOLUMES:
            return super().missing(split)
        found, due = len(self._members.get(split, {})), VOLUMES[split]
        return () if found >= due else (f"{due - found} of the {due} volumes of {split} ({_range(split)}) are missing",)

    def files(self, scan_id: str) -> tuple[Path, ...]:
        """The image and its labels."""
        return self._data / "imagesTr" / f"{scan_id}.nii.gz", self._data / "labelsTr" / f"{scan_id}.nii.gz"

    def folders(self) -> tuple[Path, ...]:
        """That of the layout."""
        return (self._data,)

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Four volumes of train, three of val, three of test; two in each show one subject."""
        rng = np.random.default_rng(0)
        for n in (1, 2, 4, 249, 251, 252, 310, 311, 312, 320):
            name = f"hippocampus_{n:03d}.nii.gz"
            shape = rng.integers(20, 25, size=3).tolist()
            write_phantom(folder / "imagesTr" / name, folder / "labelsTr" / name, rng=rng, shape=shape)
        return {"data": folder, "shape": [24, 24, 24]}

    def _read(self, scan_id: str) -> tuple[Volume, Volume]:
        image_path, labels_path = self.files(scan_id)
        image = read_image(image_path)
        return image, read_labels(labels_path, image=image, allowed=self.labels)

    def _start(self, scan_id: str, image: Volume) -> tuple[int, ...]:
        return centred_start(image.array.shape, self.shape)

    def _grid_key(self, scan_id: str) -> dict[str, Any]:
        return {"settings": {name: value for name, value in self.settings.items() if name != "pairing"}}


def _task_folder(data: Path | None) -> Path:
    if data is None:
        raise ValueError("open_dataset(): 'data' must be the folder Task04_Hippocampus, got None")
    for folder in (Path(data), Path(data) / "Task04_Hippocampus"):
        if (folder / "imagesTr").is_dir() and (folder / "labelsTr").is_dir():
            return folder
    raise DataError(f"{data}: must hold imagesTr and labelsTr of Task04_Hippocampus")


def _members(folder: Path) -> dict[str, dict[str, str]]:
    """The subject of each scan of each split, in the order of ids."""
    number = {path.name.removesuffix(".nii.gz"): _number(path) for path in _volumes(folder / "imagesTr")}
    _check_partners(folder, set(number))
    members: dict[str, dict[str, str]] = {split: {} for split in LAST_ID}
    for scan_id, n in sorted(number.items(), key=lambda item: item[1]):
        split = next(split for split, last in LAST_ID.items() if n <= last)
        members[split][scan_id] = f"{(n + 1) // 2:03d}"
    return members


def _volumes(folder: Path) -> list[Path]:
    volumes = sorted(folder.glob("hippocampus_*.nii.gz"))
    if not volumes:
        raise DataError(f"{folder}: holds no hippocampus_*.nii.gz")
    return volumes


def _number(path: Path) -> int:
    digits = path.name.removeprefix("hippocampus_").removesuffix(".nii.gz")
    if not re.fullmatch("[0-9]{3}", digits) or int(digits) == 0:
        raise DataError(f"{path}: must be named hippocampus_NNN.nii.gz, from hippocampus_001 on")
    return int(digits)


def _check_partners(folder: Path, images: set[str]) -> None:
    labels = {path.name.removesuffix(".nii.gz") for path in _volumes(folder / "labelsTr")}
    image, label = folder / "imagesTr", folder / "labelsTr"
    lone = [f"{image / scan_id}.nii.gz: image without label in {label}" for scan_id in sorted(images - labels)]
    lone += [f"{label / scan_id}.nii.gz: label without image in {image}" for scan_id in sorted(labels - images)]
    if lone:
        raise DataError("\n".join(lone))


def _range(split: str) -> str:
    first = {"train": 1, "val": LAST_ID["train"] + 1, "test": LAST_ID["val"] + 1}[split]
    return f"ids {first} on" if split == "test" else f"ids {first} to {LAST_ID[split]}"
