"""Any task of the Learn2Reg challenge as it is published: ``TASK_dataset.json`` with the images that it names."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fusemorph.data.brain import canonical_grid
from fusemorph.data.cache import cache_folder
from fusemorph.data.dataset import Pair, PairIndex
from fusemorph.data.errors import DataError
from fusemorph.data.header import Header
from fusemorph.data.landmarks import read_keypoints
from fusemorph.data.listed import ListedDataset
from fusemorph.data.listing import Listed, ListedPair, Listing, without_ending
from fusemorph.data.nifti import by_rule, read_header
from fusemorph.data.phantom import write_phantom
from fusemorph.data.preprocess import Volume
from fusemorph.data.settings import canonical, check_percentiles, read_settings
from fusemorph.data.survey import survey_scans
from fusemorph.data.table import raise_all

PAIRS = {"train": "training_paired_images", "val": "registration_val", "test": "registration_test"}
"""The lists of pairs in the file, by split."""
BESIDE = {"labels": "labels", "mask": "masks", "landmarks": "keypoints"}
"""The folders beside ``imagesTr`` and ``imagesTs``, by what they hold."""


@dataclass(frozen=True, kw_only=True)
class Learn2RegSettings:
    """``percentiles`` of each image become 0 and 1; its grid and spacing stay those of the task."""

    dataset: ClassVar[str] = "learn2reg"
    percentiles: tuple[float, ...] = (1.0, 99.0)

    def __post_init__(self) -> None:
        check_percentiles(self.dataset, self.percentiles)


class Learn2Reg(ListedDataset):
    """Images, labels, masks and keypoints of a task; val is its ``registration_val``, in the order of the file.

    Train are the images of ``training`` that show nobody of val: in pairs of ``training_paired_images`` where there
    are any, else of any two subjects, or where val pairs show one subject, of the images of one. Test is
    ``registration_test``, where its images are here with labels or keypoints, which the challenge keeps to itself.
    """

    name = "learn2reg"
    title = "A task of the Learn2Reg challenge"
    source = "Hering et al. 2023, Learn2Reg, IEEE TMI 42(3); learn2reg.grand-challenge.org"
    licence = "that of the task"
    download = "a task from learn2reg.grand-challenge.org, unpacked (OASIS, NLST, ThoraxCBCT, LUMIR and others)"
    layout = "TASK_dataset.json beside imagesTr, labelsTr, masksTr, keypointsTr (or the folder that holds it)"
    variants = ("between subjects", "within subjects")
    companions = frozenset({"*_dataset.json"})
    landmarks_beside = False
    tre_reading = "cubic"

    def __init__(self, data: Path | None = None, *, cache: Path | None = None, **settings: Any) -> None:
        options = read_settings(Learn2RegSettings, settings, dataset=self.name)
        self._file = _task_file(data)
        task = _read_task(self._file)
        listing = _listing(self._file, task)
        self.within_subjects = _within(self._file, listing)
        first = next(scan.image for scan in listing.scans.values() if scan.split == "val")
        shape, spacing_mm = canonical_grid(by_rule(read_header(first)))
        super().__init__(
            listing,
            folders=[self._file.parent],
            shape=shape,
            spacing_mm=spacing_mm,
            labels=_labels(task, listing, cache_folder(cache)),
            settings=canonical(options),
            align="none",
            percentiles=options.percentiles,
            cache=cache,
        )

    def pairs(self, split: str) -> tuple[PairIndex, ...]:
        """The pairs that the file declares for a split; of train, where it declares none, as in ``Dataset``."""
        declared = [(pair.fixed, pair.moving) for pair in self.listing.pairs if pair.split == split]
        self.scan_ids(split)  # refuses an unknown split
        return self._index(split, declared) if declared else super().pairs(split)

    def training_pair(self, rng: np.random.Generator) -> Pair:
        """One of the declared pairs of train; else as in ``Dataset``."""
        declared = any(pair.split == "train" for pair in self.listing.pairs)
        return self._drawn_pair(rng) if declared else super().training_pair(rng)

    def missing(self, split: str) -> tuple[str, ...]:
        """The challenge keeps the labels of test."""
        if split == "test" and split not in self.splits:
            return (f"{self._file.name} has no test pairs with labels or keypoints here: the challenge keeps them",)
        return super().missing(split)

    def _selected(self, split: str) -> Any:
        return [pair.name for pair in self.pairs(split)]

    def _read_landmarks(self, path: Path, header: Header) -> np.ndarray:
        return read_keypoints(path, header=header)

    def _start(self, scan_id: str, image: Volume) -> tuple[int, ...]:
        if image.array.shape != self.shape:
            raise DataError(f"{image.path}: must have the grid of the task, {self.shape}, got {image.array.shape}")
        return (0,) * len(self.shape)

    def _grid_key(self, scan_id: str) -> dict[str, Any]:
        return {"shape": list(self.shape), "spacing_mm": list(self.spacing_mm), **self.settings}

    @staticmethod
    def example(folder: Path, layout: str = "between subjects") -> dict[str, Any]:
        """Four cases of train, three of val, two of test, with masks and keypoints; within subjects of two times."""
        times = (0,) if layout == "between subjects" else (0, 1)
        rng = np.random.default_rng(0)
        for case in range(1, 10):
            for time in times:
                name = f"Made_{case:04d}_{time:04d}"
                parts = [folder / f"{part}Tr" / f"{name}.nii.gz" for part in ("images", "labels", "masks")]
                write_phantom(parts[0], parts[1], rng=rng, axes="LPS")
                write_phantom(folder / "extra.nii.gz", parts[2], rng=rng, axes="LPS", label_count=1)
                points = rng.uniform(6, 13, size=(5, 3)).round(2).tolist()
                (folder / "keypointsTr").mkdir(exist_ok=True)
                rows = [",".join(map(str, point)) for point in points]
                (folder / "keypointsTr" / f"{name}.csv").write_text("\n".join(rows))
        (folder / "extra.nii.gz").unlink()
        (folder / "Made_dataset.json").write_text(json.dumps(_made_task(times)))
        return {"data": folder}


def _made_task(times: Sequence[int]) -> dict[str, Any]:
    def path(case: int, time: int) -> str:
        return f"./imagesTr/Made_{case:04d}_{time:04d}.nii.gz"

    def pairs(*cases: tuple[int, int]) -> list[dict[str, str]]:
        return [{"fixed": path(fixed, 0), "moving": path(moving, times[-1])} for fixed, moving in cases]

    def both_ways(*cases: tuple[int, int]) -> list[dict[str, str]]:
        declared = pairs(*cases)
        return [*declared, *({"fixed": pair["moving"], "moving": pair["fixed"]} for pair in declared)]

    between = len(times) == 1
    return {
        "name": "Made",
        "labels": {"0": {"0": "background", "1": "left", "2": "right"}},
        "training": [{"image": path(case, time)} for case in range(1, 8) for time in times],
        "training_paired_images": [] if between else pairs(*((case, case) for case in range(1, 5))),
        "registration_val": both_ways((5, 6), (6, 7)) if between else both_ways((5, 5), (6, 6), (7, 7)),
        "registration_test": both_ways((8, 9)) if between else both_ways((8, 8), (9, 9)),
    }


def _task_file(data: Path | None) -> Path:
    if data is None:
        raise ValueError("open_dataset(): 'data' must be TASK_dataset.json of learn2reg, or its folder, got None")
    if data.is_file():
        return data
    if not data.is_dir():
        raise DataError(f"{data}: no such file or folder")
    found = sorted(data.glob("*_dataset.json"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise DataError(f"{data}: must hold one TASK_dataset.json, holds {names}; name the file itself")
    return found[0]


def _read_task(path: Path) -> dict[str, Any]:
    try:
        task = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(task, dict) or not isinstance(task.get("training"), list):
        raise DataError(f"{path}: must be a TASK_dataset.json of Learn2Reg with a list 'training'")
    for name in PAIRS.values():
        pairs = task.get(name) or []
        if not isinstance(pairs, list) or not all(isinstance(pair, dict) and _sides(pair) for pair in pairs):
            raise DataError(f"{path}: {name!r} must be a list of pairs {{'fixed': ..., 'moving': ...}}")
    if not task.get("registration_val"):
        raise DataError(f"{path}: 'registration_val' must list the pairs to select on, it has none")
    return task


def _sides(pair: Mapping[str, Any]) -> tuple[str, ...]:
    """The paths of a pair, fixed first; none where it has no two."""
    sides = [pair.get("fixed"), pair.get("moving")]
    return tuple(map(str, sides)) if all(isinstance(side, str) for side in sides) else ()


def _listing(file: Path, task: Mapping[str, Any]) -> Listing:
    """The scans that the file names, with their splits, and the declared pairs of which both are here."""
    pairs = {split: [_sides(pair) for pair in task.get(name) or []] for split, name in PAIRS.items()}
    scans: dict[str, Listed] = {}
    for split in ("val", "test", "train"):
        paths = [path for pair in pairs[split] for path in pair]
        paths += list(_training(file, task)) if split == "train" else []
        listed = {_stem(path): _listed(file.parent, path, split) for path in dict.fromkeys(paths)}
        if split == "test" and not any(scan.labels or scan.landmarks for scan in listed.values()):
            continue
        _require_files(file, listed.values())
        others = {scan.subject for scan in scans.values()}
        scans |= {name: scan for name, scan in listed.items() if scan.subject not in others}
    declared = [
        ListedPair(split=split, fixed=_stem(fixed), moving=_stem(moving), block="")
        for split, of_split in pairs.items()
        for fixed, moving in of_split
    ]
    splits = {name: scan.split for name, scan in scans.items()}
    kept = [pair for pair in declared if {splits.get(pair.fixed), splits.get(pair.moving)} == {pair.split}]
    return Listing(scans=scans, pairs=kept, layout=f"{task.get('name') or file.name}")


def _stem(path: str) -> str:
    return without_ending(Path(path).name)


def _require_files(file: Path, scans: Collection[Listed]) -> None:
    """Refuse images that are named but are not there, and a split of which some images alone have labels."""
    labelled = any(scan.labels for scan in scans)
    lacking = [scan for scan in scans if not scan.image.exists()]
    wrong = [f"{scan.labels}: label without image, {file.name} names it" for scan in lacking if scan.labels]
    wrong += [f"{file}: names {scan.image}, which is not there" for scan in lacking if not scan.labels]
    raise_all([*wrong, *(f"{scan.image}: image without label" for scan in scans if labelled and not scan.labels)])


def _training(file: Path, task: Mapping[str, Any]) -> Iterator[str]:
    for entry in task["training"]:
        path = entry.get("image") if isinstance(entry, dict) else entry
        if not isinstance(path, str):
            raise DataError(f"{file}: 'training' must list images, holds {str(entry)[:60]!r}")
        yield path


def _listed(folder: Path, path: str, split: str) -> Listed:
    """An image with what lies beside it under its name."""
    image = folder / path
    stem, tail = without_ending(image.name), image.parent.name.removeprefix("images")
    beside = {
        kind: image.parent.parent / f"{part}{tail}" / (f"{stem}.csv" if kind == "landmarks" else image.name)
        for kind, part in BESIDE.items()
    }
    found = {kind: other if other.exists() else None for kind, other in beside.items()}
    case = re.fullmatch(r"(.+)_[0-9]{4}", stem)
    return Listed(
        image=image, labels=found["labels"], mask=found["mask"], landmarks=found["landmarks"],
        subject=case[1] if case else stem, split=split,
    )  # fmt: skip


def _within(file: Path, listing: Listing) -> bool:
    """Whether declared pairs show one subject each.

    Raises:
        DataError: some do, and others do not.
    """
    same = {listing.scans[pair.fixed].subject == listing.scans[pair.moving].subject for pair in listing.pairs}
    if len(same) != 1:
        raise DataError(f"{file}: pairs must all show one subject, or all two; it has both")
    return same.pop()


def _labels(task: Mapping[str, Any], listing: Listing, cache: Path) -> dict[int, str]:
    """The names of the labels in the file, or else those that the label maps hold, named by their numbers."""
    if not any(scan.labels for scan in listing.scans.values()):
        return {}
    named = task.get("labels") or {}
    names = (
        next((names_of for names_of in named.values() if isinstance(names_of, dict)), named)
        if isinstance(named, dict)
        else {}
    )
    labels = {int(value): str(name) for value, name in names.items() if str(value).isdecimal() and int(value)}
    if labels:
        return dict(sorted(labels.items()))
    labelled = {name: scan for name, scan in listing.scans.items() if scan.labels}
    surveys = survey_scans(labelled, smallest_side=1, cache=cache, dimensions=None)
    return {
        value: str(value) for value in sorted({int(value) for survey in surveys.values() for value in survey["values"]})
    }
