"""Where the images of a published data set lie in a folder, whichever of its layouts the folder has."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fusemorph.data.errors import DataError
from fusemorph.data.table import raise_all

MOST_FILES = 2_000_000
"""Of a folder that are looked at: more are no data set but somebody's disk."""
LEVELS = 4
"""How far above a folder that holds nothing the rest of the layout is looked for."""
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".7z", ".rar")
_UNFINISHED = (".part", ".crdownload", ".partial", ".download", ".tmp")
_OTHERS = {
    (".pkl", ".pickle", ".npz", ".npy", ".h5", ".mat", ".pt", ".pth"): (
        "copies of another project; they are never unpickled or loaded: download the NIfTI originals"
    ),
    (".dcm", ".ima"): "DICOM: convert them to NIfTI first, for instance with dcm2niix",
    _UNFINISHED: "downloads that did not finish: download them again",
    _ARCHIVES: "archives: unpack them first",
}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A way in which a data set's files lie: a regular expression of the end of a path (``/`` between its parts).

    Its groups are what the path says of an image, such as ``subject``; ``site`` and others may be left out.
    """

    name: str
    pattern: str

    def parts(self, path: str) -> dict[str, str] | None:
        """What the path says, or None for a path of another layout."""
        match = re.search(rf"(?:^|/){self.pattern}$", path)
        return None if match is None else {name: part for name, part in match.groupdict().items() if part}


@dataclass(frozen=True, kw_only=True)
class Found:
    """An image in one of the layouts, with what its path says of it."""

    path: Path
    layout: str
    parts: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        """A part of the path; empty where it says nothing of the kind."""
        return self.parts.get(name, "")


def bids(suffix: str) -> Layout:
    """BIDS: ``sub-01[/ses-1]/anat/sub-01[_ses-1][_run-1]_T1w.nii.gz`` for the suffix ``T1w``, below any folder."""
    folders = r"(?:(?P<above>[^/]+)/)?sub-(?P<subject>[a-zA-Z0-9]+)/(?:ses-(?P<session>[a-zA-Z0-9]+)/)?anat"
    entities = r"(?P<entities>(?:_[a-zA-Z]+-[a-zA-Z0-9+]+)*)"
    return Layout(name="BIDS", pattern=rf"{folders}/sub-(?P=subject){entities}_{suffix}\.nii(?:\.gz)?")


def find_images(folder: Path, layouts: Sequence[Layout], *, dataset: str) -> list[Found]:
    """The images of a folder in one of the layouts, in the order of their paths.

    Raises:
        DataError: no such folder, nothing in any layout (with what else is there, or where to look), two layouts
            mixed, or images among others whose download did not finish.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    paths = list(_paths(folder))
    found = [image for path in paths if (image := _match(folder, path, layouts))]
    if not found:
        raise DataError(f"{folder}: {_why_nothing(folder, paths, layouts, dataset)}")
    cut = [path for path in paths if path.lower().endswith(_UNFINISHED)]
    lost = [path for path in cut if _match(folder, path.rpartition(".")[0], layouts)]
    raise_all(f"{folder / path}: is a download that did not finish; download it again, or remove it" for path in lost)
    first = {image.layout: image.path for image in reversed(found)}
    if len(first) > 1:
        listed = "; ".join(f"{name}: {path}" for name, path in sorted(first.items()))
        raise DataError(f"{folder}: mixes {len(first)} layouts of {dataset} ({listed}); name the folder of one of them")
    return found


def find_all(folder: Path, layout: Layout) -> list[Found]:
    """The files of a folder in a layout, in the order of their paths; none is no error."""
    return [image for path in _paths(folder) if (image := _match(folder, path, [layout]))]


def _paths(folder: Path) -> Iterator[str]:
    """Relative paths of the files, hidden ones left out, as macOS and Windows leave them beside others."""
    count = 0
    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(parent)) in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        below = Path(parent).relative_to(folder).as_posix()
        for name in sorted(name for name in names if not name.startswith(".")):
            count += 1
            if count > MOST_FILES:
                raise DataError(f"{folder}: holds more than {MOST_FILES} files; name the folder of the data set")
            yield name if below == "." else f"{below}/{name}"


def _match(folder: Path, path: str, layouts: Iterable[Layout]) -> Found | None:
    for layout in layouts:
        if (parts := layout.parts(path)) is not None:
            return Found(path=folder / path, layout=layout.name, parts=parts)
    return None


def _why_nothing(folder: Path, paths: Sequence[str], layouts: Sequence[Layout], dataset: str) -> str:
    expected = f"see `fusemorph datasets {dataset}` for what is expected"
    if not paths:
        return f"is empty; {expected}"
    above = folder.resolve()
    for _ in range(LEVELS):
        above = above.parent
        inside = folder.resolve().relative_to(above).as_posix()
        if any(layout.parts(f"{inside}/{path}") for path in paths for layout in layouts):
            return f"lies inside the folder of {dataset}; name {above}, so that all of it is found"
    for endings, words in _OTHERS.items():
        if others := [path for path in paths if path.lower().endswith(endings)]:
            return f"holds no image of {dataset}, but {len(others)} files such as {others[0]}: {words}"
    kinds = ", ".join(f"{count} {kind or 'without ending'}" for kind, count in _kinds(paths).most_common(3))
    return f"holds no image of {dataset} ({kinds}); {expected}"


def _kinds(paths: Iterable[str]) -> Counter[str]:
    return Counter("".join(Path(path).suffixes[-2:]) for path in paths)


def find_tables(folder: Path, pattern: str) -> list[Path]:
    """Tables whose names match a pattern, in the folder and down to three levels below it."""
    return sorted(path for levels in range(4) for path in folder.glob("*/" * levels + pattern))


def partner(path: Path, names: tuple[str, str]) -> Path:
    """The label map of an image, whose file name has the second of ``names`` in place of the first."""
    return path.with_name(path.name.replace(*names))


def require_partners(folder: Path, images: Sequence[Found], *, names: tuple[str, str], layout: Layout) -> None:
    """Refuse images without their label map (``partner``), and label maps, which lie in ``layout``, without an image.

    Raises:
        DataError: with a line for each.
    """
    due = {partner(image.path, names): image.path for image in images}
    wrong = [f"{image}: image without label {path.name}" for path, image in due.items() if not path.exists()]
    images_of = {found.path: partner(found.path, names[::-1]) for found in find_all(folder, layout)}
    lone = [path for path, image in images_of.items() if path not in due and not image.exists()]
    raise_all([*wrong, *(f"{path}: label without image {images_of[path].name}" for path in lone)])


def runs_in_order(images: Iterable[Found]) -> list[Found]:
    """The images by subject, session and number of the run, so that the first of a visit comes first."""

    def order(image: Found) -> tuple[str, str, int, str]:
        run = re.search(r"_run-([0-9]+)", image["entities"])
        number = re.search("[0-9]+", run[1] if run else image["run"])
        return image["subject"].zfill(9), image["session"], int(number[0]) if number else 0, str(image.path)

    return sorted(images, key=order)
