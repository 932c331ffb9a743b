"""Any data set in BIDS: one image of a kind for each subject and session, with segmentations where there are any."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fusemorph.data.errors import DataError
from fusemorph.data.listing import Listed, Listing, require_pairs_within, with_drawn_splits
from fusemorph.data.measured import MeasuredDataset, MeasuredSettings, arguments_of
from fusemorph.data.phantom import write_phantom
from fusemorph.data.settings import read_settings
from fusemorph.data.table import check_ids, raise_all, read_table
from fusemorph.data.walk import Found, bids, find_all, find_images, partner, runs_in_order

SEGMENTATIONS = bids("dseg")


@dataclass(frozen=True, kw_only=True)
class BidsSettings(MeasuredSettings):
    """``suffix``: which images are read (``T1w``). ``match``: text that the names of images hold, such as
    ``space-MNI152NLin2009cAsym`` or ``desc-preproc``; ``segmentation``: text that those of segmentations hold, such as
    ``desc-aseg``, where there are several, or ``none``. Beside that as ``MeasuredSettings``.
    """

    dataset: ClassVar[str] = "bids"
    suffix: str = "T1w"
    match: str = ""
    segmentation: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not re.fullmatch("[a-zA-Z0-9]+", self.suffix):
            raise ValueError(f"bids: 'suffix' must be letters and digits such as T1w, got {self.suffix!r}")


class Bids(MeasuredDataset):
    """``sub-01[/ses-1]/anat/sub-01[_ses-1]_T1w.nii.gz`` and ``*_dseg.nii.gz`` of the same subject and session.

    Segmentations may lie beside the images or under ``derivatives``. Of several runs the first is read. Sites and
    splits are the columns ``site`` and ``split`` of ``participants.tsv`` where it has them; else splits are drawn by
    subject. Structures have the names of ``*dseg.tsv`` (``index``, ``name``), where there is one, else numbers.
    """

    name = "bids"
    title = "Images in BIDS"
    source = "files of the user; layout: Gorgolewski et al. 2016, Sci. Data 3:160044, bids.neuroimaging.io"
    licence = "that of the files"
    download = "any data set in BIDS, such as those of openneuro.org, or derivatives of fMRIPrep"
    layout = "sub-01/anat/{sub-01_T1w, sub-01_dseg}.nii.gz, participants.tsv"
    companions = frozenset({"*.json", "*.tsv", "README*", "CHANGES", "LICENSE"})

    def __init__(self, data: Path | None = None, *, cache: Path | None = None, **settings: Any) -> None:
        options = read_settings(BidsSettings, settings, dataset=self.name)
        if data is None:
            raise ValueError("open_dataset(): 'data' must be a folder in BIDS, got None")
        listing = _list(data, options)
        self.within_subjects = options.task == "intra"
        self.smallest_side = options.smallest_side
        self.brains = options.suffix == "T1w"
        labels = _names(data) if any(scan.labels for scan in listing.scans.values()) else {}
        super().__init__(listing, folders=[data], **arguments_of(listing, options), labels=labels, cache=cache)

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Eight subjects, one with two sessions, one with two runs; segmentations with names."""
        rng = np.random.default_rng(0)
        rows = ["participant_id\tsite\tage"]
        for number in range(1, 9):
            subject = f"sub-{number:02d}"
            rows.append(f"{subject}\t{'AB'[number % 2]}\t50")
            for name in [f"ses-{session}/anat/{subject}_ses-{session}" for session in (1, 2)[: 1 + (number == 1)]]:
                write_phantom(
                    folder / subject / f"{name}_T1w.nii.gz", folder / subject / f"{name}_dseg.nii.gz", rng=rng
                )
        write_phantom(folder / "sub-02/ses-1/anat/sub-02_ses-1_run-2_T1w.nii.gz", rng=rng)
        (folder / "participants.tsv").write_text("\n".join(rows) + "\n")
        (folder / "desc-aseg_dseg.tsv").write_text("index\tname\n1\tleft half\n2\tright half\n")
        return {"data": folder}


def _list(folder: Path, options: BidsSettings) -> Listing:
    images = [image for image in _images(folder, options.suffix) if options.match in image.path.name]
    if not images:
        raise DataError(f"{folder}: no name of a {options.suffix} image contains 'match' ({options.match!r})")
    segmentations = _segmentations(folder, options.segmentation)
    participants = _participants(folder)
    scans: dict[str, Listed] = {}
    excluded: dict[Path, str] = {}
    for image in runs_in_order(images):
        scan_id = "_".join(part for part in (image["subject"], image["session"]) if part)
        if scan_id in scans:
            excluded[image.path] = f"is another image of the same session; {scans[scan_id].image} is used"
            continue
        participant = participants.get(image["subject"], {})
        scans[scan_id] = Listed(
            image=image.path,
            labels=_only_segmentation(segmentations.get(scan_id, []), image.path),
            subject=image["subject"],
            split=participant.get("split", ""),
            site=participant.get("site", ""),
            visit=image["session"],
        )
    _require_partners(scans, segmentations, (f"_{options.suffix}.", "_dseg."))
    if options.task == "intra":
        require_pairs_within(scans, "two images of each subject, such as two sessions")
    if not all(scan.split for scan in scans.values()):
        least = 1 if options.task == "intra" else 2
        scans = with_drawn_splits(scans, folder=folder, seed=options.seed, fractions=options.fractions, least=least)
    return Listing(scans=dict(sorted(scans.items())), layout="BIDS", excluded=excluded)


def _images(folder: Path, suffix: str) -> list[Found]:
    """Those of the data set itself where it holds derivatives too."""
    found = find_images(folder, (bids(suffix),), dataset="bids")
    originals = [image for image in found if "derivatives" not in image.path.relative_to(folder).parts]
    return originals or found


def _segmentations(folder: Path, text: str) -> dict[str, list[Found]]:
    """Those of each subject and session, beside the images and among the derivatives."""
    if text == "none":
        return {}
    found: dict[str, list[Found]] = {}
    for segmentation in find_all(folder, SEGMENTATIONS):
        if text in segmentation.path.name:
            visit = "_".join(part for part in (segmentation["subject"], segmentation["session"]) if part)
            found.setdefault(visit, []).append(segmentation)
    return found


def _only_segmentation(segmentations: Sequence[Found], image: Path) -> Path | None:
    if len(segmentations) > 1:
        names = ", ".join(segmentation.path.name for segmentation in segmentations[:3])
        raise DataError(
            f"{image}: has {len(segmentations)} segmentations ({names}); choose one by a text that only its "
            "name contains, such as --set segmentation=desc-aseg"
        )
    return segmentations[0].path if segmentations else None


def _require_partners(
    scans: Mapping[str, Listed], segmentations: Mapping[str, Sequence[Found]], names: tuple[str, str]
) -> None:
    """As ``walk.require_partners``, by subject and session, since names may differ in more than their suffix."""
    wrong = []
    if any(scan.labels for scan in scans.values()):
        without = [scan.image for scan in scans.values() if scan.labels is None]
        wrong += [f"{image}: image without label {partner(image, names).name}" for image in without]
    lone = [found[0].path for scan_id, found in segmentations.items() if scan_id not in scans]
    raise_all([*wrong, *(f"{path}: label without image {partner(path, names[::-1]).name}" for path in lone)])


def _participants(folder: Path) -> dict[str, Mapping[str, str]]:
    table = folder / "participants.tsv"
    if not table.exists():
        return {}
    rows = read_table(table, required=("participant_id",), allowed=None)
    check_ids(table, rows, "participant_id", form="(?:sub-)?[a-zA-Z0-9]+", like="sub-01")
    return {row["participant_id"].removeprefix("sub-"): row for row in rows}


def _names(folder: Path) -> dict[int, str] | None:
    """The names of structures by their number; None without one table of them."""
    tables = sorted(folder.glob("*dseg.tsv"))
    if len(tables) != 1:
        return None
    rows = read_table(tables[0], required=("index", "name"), allowed=None)
    if wrong := [row["index"] for row in rows if not re.fullmatch("[0-9]{1,5}", row["index"])]:
        raise DataError(f"{tables[0]}: 'index' must be the number of a structure, got {wrong[0]!r}")
    return {int(row["index"]): row["name"] for row in rows if int(row["index"])}
