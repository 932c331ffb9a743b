"""Brains of the MICCAI 2012 multi-atlas challenge: T1 of OASIS with 138 structures labelled by Neuromorphometrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fusemorph.data.curation import same_subject
from fusemorph.data.errors import DataError
from fusemorph.data.files import FileDataset
from fusemorph.data.phantom import write_phantom
from fusemorph.data.preprocess import Volume, background, read_image, read_labels
from fusemorph.data.settings import canonical, check_percentiles, check_shape, read_settings

SCANS = {
    "train": (*range(1000, 1007), 1023, 1024, 1025),
    "val": tuple(range(1007, 1013)),
    "test": (1013, 1014, 1015, 1017, 1018, 1019, 1036, 1038, 1039, *range(1101, 1129, 3)),
}
"""Ours, by subject: the challenge's own split is for label fusion, and has no val."""
MIDLINE = {
    4: "3rd ventricle", 11: "4th ventricle", 35: "brain stem", 46: "CSF", 69: "optic chiasm",
    71: "cerebellar vermal lobules I-V", 72: "cerebellar vermal lobules VI-VII", 73: "cerebellar vermal lobules VIII-X",
}  # fmt: skip
# The right and the left structure of a name.
DEEP = {
    (23, 30): "accumbens area", (31, 32): "amygdala", (36, 37): "caudate", (38, 39): "cerebellum exterior",
    (40, 41): "cerebellum white matter", (42, 43): "cerebral exterior", (44, 45): "cerebral white matter",
    (47, 48): "hippocampus", (49, 50): "inferior lateral ventricle", (51, 52): "lateral ventricle",
    (55, 56): "pallidum", (57, 58): "putamen", (59, 60): "thalamus proper", (61, 62): "ventral DC",
    (63, 64): "vessel", (76, 75): "basal forebrain",
}  # fmt: skip
# The right structure of a name; the left one is the next number.
CORTEX = {
    100: "anterior cingulate gyrus", 102: "anterior insula", 104: "anterior orbital gyrus", 106: "angular gyrus",
    108: "calcarine cortex", 112: "central operculum", 114: "cuneus", 116: "entorhinal area",
    118: "frontal operculum", 120: "frontal pole", 122: "fusiform gyrus", 124: "gyrus rectus",
    128: "inferior occipital gyrus", 132: "inferior temporal gyrus", 134: "lingual gyrus",
    136: "lateral orbital gyrus", 138: "middle cingulate gyrus", 140: "medial frontal cortex",
    142: "middle frontal gyrus", 144: "middle occipital gyrus", 146: "medial orbital gyrus",
    148: "postcentral gyrus medial segment", 150: "precentral gyrus medial segment",
    152: "superior frontal gyrus medial segment", 154: "middle temporal gyrus", 156: "occipital pole",
    160: "occipital fusiform gyrus", 162: "opercular part of the inferior frontal gyrus",
    164: "orbital part of the inferior frontal gyrus", 166: "posterior cingulate gyrus", 168: "precuneus",
    170: "parahippocampal gyrus", 172: "posterior insula", 174: "parietal operculum", 176: "postcentral gyrus",
    178: "posterior orbital gyrus", 180: "planum polare", 182: "precentral gyrus", 184: "planum temporale",
    186: "subcallosal area", 190: "superior frontal gyrus", 192: "supplementary motor cortex",
    194: "supramarginal gyrus", 196: "superior occipital gyrus", 198: "superior parietal lobule",
    200: "superior temporal gyrus", 202: "temporal pole", 204: "triangular part of the inferior frontal gyrus",
    206: "transverse temporal gyrus",
}  # fmt: skip
SIDES = DEEP | {(right, right + 1): name for right, name in CORTEX.items()}
LABELS = dict(
    sorted(
        [
            *MIDLINE.items(),
            *((right, f"right {name}") for (right, _), name in SIDES.items()),
            *((left, f"left {name}") for (_, left), name in SIDES.items()),
        ]
    )
)
"""The structures that all scans have; a few scans hold specks of others (15, 65, 66, 74, 126, 127), read as 0."""

FIELD_OF_VIEW_MM = (160.0, 224.0, 160.0)


@dataclass(frozen=True, kw_only=True)
class MultiAtlasSettings:
    """``spacing_mm`` of all axes: 2, or 1 as acquired. ``shape``: by default 160x224x160 mm, which holds every brain.

    ``align``: ``affine`` to the first scan of train, ``mni`` to the MNI152 template (``FileDataset``), or ``centres``:
    each brain's centre of mass in the middle of the grid, to the nearest voxel.
    """

    spacing_mm: float = 2.0
    align: str = "affine"
    shape: tuple[int, ...] | None = None
    percentiles: tuple[float, ...] = (1.0, 99.0)

    def __post_init__(self) -> None:
        if not 1 <= self.spacing_mm <= 8:
            raise ValueError(f"multi_atlas: 'spacing_mm' must lie between 1 and 8, got {self.spacing_mm}")
        check_shape("multi_atlas", self.sides, dimensions=3)
        check_percentiles("multi_atlas", self.percentiles)

    @property
    def sides(self) -> tuple[int, ...]:
        """The shape chosen, or that of the field of view."""
        return self.shape or tuple(round(side / self.spacing_mm) for side in FIELD_OF_VIEW_MM)


class MultiAtlas(FileDataset):
    """Skull-stripped brains in ``images/NNNN.nii.gz`` with ``labels/NNNN.nii.gz``, 35 scans of 30 subjects in full.

    Split by subject: train 1000 to 1006 (three of them scanned twice), val 1007 to 1012, test the others. The files are
    not aligned; their world coordinates mean nothing to each other, hence an affine step first.
    """

    name = "multi_atlas"
    title = "Multi-atlas brains, MICCAI 2012 challenge: 138 structures"
    source = (
        "Landman and Warfield 2012, MICCAI Workshop on Multi-Atlas Labeling; OASIS (Marcus et al. 2007), labels by "
        "Neuromorphometrics, Inc."
    )
    brains = True
    licence = "CC BY-NC 3.0"
    download = "the images and labels of the MICCAI 2012 multi-atlas challenge (Neuromorphometrics), without skulls"
    layout = "{images, labels}/1000.nii.gz"
    alignments = ("affine", "mni", "centres")

    def __init__(self, data: Path | None = None, *, cache: Path | None = None, **settings: Any) -> None:
        options = read_settings(MultiAtlasSettings, settings, dataset=self.name)
        self._data = _atlas_folder(data)
        super().__init__(
            members=_members(self._data),
            shape=options.sides,
            spacing_mm=(options.spacing_mm,) * 3,
            labels=LABELS,
            settings=canonical(options) | {"shape": list(options.sides)},
            align=options.align,
            percentiles=options.percentiles,
            cache=cache,
        )

    def missing(self, split: str) -> tuple[str, ...]:
        """The scans of the full set that are not here, by number."""
        if split not in SCANS:
            return super().missing(split)
        absent = [str(number) for number in SCANS[split] if str(number) not in self._members.get(split, {})]
        return (f"{len(absent)} of the {len(SCANS[split])} scans of {split} are missing: {', '.join(absent)}",) * bool(
            absent
        )

    def files(self, scan_id: str) -> tuple[Path, ...]:
        """The image and its labels."""
        return self._data / "images" / f"{scan_id}.nii.gz", self._data / "labels" / f"{scan_id}.nii.gz"

    def folders(self) -> tuple[Path, ...]:
        """That of the layout."""
        return (self._data,)

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Four scans of train, one subject twice; two of val, two of test."""
        rng = np.random.default_rng(0)
        for number in (1000, 1001, 1003, 1023, 1007, 1008, 1018, 1101):
            image, labels = (folder / part / f"{number}.nii.gz" for part in ("images", "labels"))
            write_phantom(image, labels, rng=rng, label_count=4)
        return {"data": folder, "spacing_mm": 1.0, "shape": [24, 28, 24]}

    def _read(self, scan_id: str) -> tuple[Volume, Volume]:
        image_path, labels_path = self.files(scan_id)
        image = read_image(image_path)
        labels = read_labels(labels_path, image=image)
        labels.array[~np.isin(labels.array, list(LABELS))] = 0
        return image, labels

    def _start(self, scan_id: str, image: Volume) -> tuple[int, ...]:
        centre = np.argwhere(image.array > background(image.array)).mean(axis=0)
        return tuple(np.rint(centre - (np.asarray(self.shape) - 1) / 2).astype(int).tolist())

    def _grid_key(self, scan_id: str) -> dict[str, Any]:
        return {"settings": self.settings}


def _atlas_folder(data: Path | None) -> Path:
    if data is None:
        raise ValueError("open_dataset(): 'data' must be the folder multi_atlas_2012, got None")
    for folder in (Path(data), Path(data) / "multi_atlas_2012"):
        if (folder / "images").is_dir() and (folder / "labels").is_dir():
            return folder
    raise DataError(f"{data}: must hold images and labels of multi_atlas_2012")


def _members(folder: Path) -> Mapping[str, Mapping[str, str]]:
    images, labels = (_scans(folder / part) for part in ("images", "labels"))
    lone = [f"{folder / 'images' / name}.nii.gz: image without label" for name in sorted(images - labels)]
    lone += [f"{folder / 'labels' / name}.nii.gz: label without image" for name in sorted(labels - images)]
    published = {str(number) for numbers in SCANS.values() for number in numbers}
    lone += [f"{folder / 'images' / name}.nii.gz: is none of the 35 scans" for name in sorted(images - published)]
    if lone:
        raise DataError("\n".join(lone))
    scanned_again = same_subject("multi_atlas")
    return {
        split: {str(number): scanned_again.get(str(number), str(number)) for number in numbers if str(number) in images}
        for split, numbers in SCANS.items()
    }


def _scans(folder: Path) -> set[str]:
    names = {path.name.removesuffix(".nii.gz") for path in folder.glob("[!.]*.nii.gz")}
    if not names:
        raise DataError(f"{folder}: holds no NNNN.nii.gz")
    return names
