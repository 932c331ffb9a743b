"""The contents of a folder of one's own: images and labels, subjects, splits, and pairs where a table lists them."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path

from fusemorph.data.errors import DataError
from fusemorph.data.landmarks import ENDINGS as LANDMARKS
from fusemorph.data.listing import ENDINGS, SPLITS, Listed, ListedPair, Listing, draw_splits, without_ending
from fusemorph.data.pairing import connected_blocks
from fusemorph.data.table import Row, raise_all, read_table
from fusemorph.paths import expanded

FILES = ("labels", "landmarks", "mask")
"""What an image may have beside it; in ``pairs.csv`` the ends of the columns' names."""
COLUMNS = ("fixed", "moving", *(f"{role}_{part}" for part in FILES for role in ("fixed", "moving")))


def list_folder(folder: Path, *, task: str, seed: int, fractions: Sequence[float], unlabelled: bool = False) -> Listing:
    """List ``pairs.csv``, or else ``images/`` with ``labels/`` and a table of subjects and splits.

    Without splits in a table, subjects are drawn: ``fractions`` of them to train, val and test by ``seed``. Where some
    images have labels all must have, those of train excepted if ``unlabelled``.

    Raises:
        DataError: nothing there, partners missing, a table that contradicts itself or the files.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    if (folder / "pairs.csv").exists():
        listing = _list_pairs(folder, task=task, seed=seed, fractions=fractions)
    else:
        listing = _list_images(folder, task=task, seed=seed, fractions=fractions)
    if any(listed.labels for listed in listing.scans.values()):
        _require_labels(listing.scans.values(), unlabelled=unlabelled)
    return listing


def _require_labels(scans: Iterable[Listed], *, unlabelled: bool) -> None:
    lone = [listed.image for listed in scans if not listed.labels and not (unlabelled and listed.split == "train")]
    raise_all(f"{image}: image without label" for image in sorted(lone))


def _list_images(folder: Path, *, task: str, seed: int, fractions: Sequence[float]) -> Listing:
    images, labels, masks = (_files(folder / part) for part in ("images", "labels", "masks"))
    landmarks = _files(folder / "landmarks", LANDMARKS)
    if not images:
        raise DataError(f"{folder}: holds neither pairs.csv nor NIfTI images in {folder / 'images'}")
    if (folder / "labels").is_dir():
        if not labels:
            raise_all(f"{image}: image without label" for _, image in sorted(images.items()))
        raise_all(f"{labels[name]}: label without image" for name in sorted(set(labels) - set(images)))
    for files, kind in ((masks, "mask"), (landmarks, "landmarks")):
        raise_all(f"{files[name]}: {kind} without image" for name in sorted(set(files) - set(images)))
    table, rows = _scan_rows(folder, images)
    ids = {name: without_ending(path.name) for name, path in images.items()}
    subjects = {name: rows[name].get("person") or ids[name] for name in images}
    if table is not None and any(row.get("split") for row in rows.values()):
        splits = {name: _split(rows[name], f"{table}, image {name}") for name in images}
    else:
        drawn = draw_splits(subjects.values(), seed=seed, fractions=fractions, least=2 if task == "inter" else 1)
        splits = {name: drawn[subjects[name]] for name in images}
    return Listing(
        scans={
            ids[name]: Listed(
                image=images[name], labels=labels.get(name), landmarks=landmarks.get(name), mask=masks.get(name),
                subject=subjects[name], split=splits[name],
            )
            for name in sorted(images, key=ids.__getitem__)
        }
    )  # fmt: skip


def _scan_rows(folder: Path, images: Mapping[str, Path]) -> tuple[Path | None, dict[str, Row]]:
    """The row of each image in ``splits.csv`` or ``scans.csv``, empty where there is no such table."""
    tables = [folder / name for name in ("splits.csv", "scans.csv") if (folder / name).exists()]
    if not tables:
        return None, {name: {} for name in images}
    if len(tables) == 2:
        raise DataError(f"{tables[1]}: stands beside {tables[0].name}; keep one of them")
    rows = read_table(tables[0], required=("image",), allowed=("image", "person", "split"))
    named = [_normal(without_ending(row["image"])) for row in rows]
    listed = set(named)
    wrong = [f"{tables[0]}: lists image {name!r} twice" for name, times in sorted(Counter(named).items()) if times > 1]
    wrong += [
        f"{tables[0]}: lists image {name!r}, which {folder / 'images'} lacks" for name in named if name not in images
    ]
    wrong += [
        f"{path}: is not listed in {tables[0].name}" for name, path in sorted(images.items()) if name not in listed
    ]
    raise_all(wrong)
    return tables[0], dict(zip(named, rows, strict=True))


def _list_pairs(folder: Path, *, task: str, seed: int, fractions: Sequence[float]) -> Listing:
    table = folder / "pairs.csv"
    optional = (*(f"{role}_{part}" for part in (*FILES, "person") for role in ("fixed", "moving")), "split", "block")
    rows = read_table(table, required=("fixed", "moving"), allowed=("fixed", "moving", *optional))
    rows = _written_alike(rows)
    groups, ids, files = _groups(rows), _ids(rows), _on_disk(folder, rows)
    if any(row.get("split") for row in rows):
        splits = [_split(row, f"{table}, row {number}") for number, row in enumerate(rows, start=2)]
    else:
        drawn = draw_splits(groups, seed=seed, fractions=fractions, least=1)
        splits = [drawn[group] for group in groups]
    scans: dict[str, Listed] = {}
    pairs = []
    for number, (row, group, split) in enumerate(zip(rows, groups, splits, strict=True), start=2):
        subject = group if task == "intra" else ""
        sides = [_side(files, row, role, ids[row[role]], subject, split) for role in ("fixed", "moving")]
        for name, listed in sides:
            if scans.setdefault(name, listed) != listed:
                raise DataError(f"{table}, row {number}: {name} has other files, subject or split than in a row above")
        same = sides[0][1].subject == sides[1][1].subject
        if same != (task == "intra") or sides[0][0] == sides[1][0]:
            rule = "different subjects" if task == "inter" else "two images of one subject"
            raise DataError(f"{table}, row {number}: a pair must hold {rule} (task {task!r})")
        pairs.append(ListedPair(split=split, fixed=sides[0][0], moving=sides[1][0], block=row.get("block", "")))
    return Listing(scans=scans, pairs=pairs)


def _groups(rows: Sequence[Row]) -> list[str]:
    """For each row the group of rows that share images or subjects."""
    ends = [(row.get("fixed_person") or row["fixed"], row.get("moving_person") or row["moving"]) for row in rows]
    return [f"group{block}" for block in connected_blocks(ends)]


def _written_alike(rows: Sequence[Row]) -> list[Row]:
    """The rows with one way of writing each path: ``./a.nii`` and ``b/../a.nii`` are ``a.nii``."""
    paths = COLUMNS
    return [row | {name: os.path.normpath(expanded(row[name])) for name in paths if row.get(name)} for row in rows]


def _ids(rows: Sequence[Row]) -> dict[str, str]:
    """An id for each path of a table: its file name, or where two are equal what lies below their common folder.

    Where that would be a path of this machine, or lead out of the folder, it is as much of the path's end as tells all
    apart. An id depends on the table alone, since it enters the keys of trials.
    """
    paths = sorted({row[role] for row in rows for role in ("fixed", "moving")})
    names = {path: without_ending(Path(path).name) for path in paths}
    if len(set(names.values())) == len(names):
        return names
    parts = {path: Path(path).parts for path in paths}
    levels = enumerate(zip(*parts.values(), strict=False))
    shared = next((level for level, names_there in levels if len(set(names_there)) > 1), 0)
    below = {path: part[shared:] for path, part in parts.items()}
    if any({os.pardir, os.sep} & set(part) for part in below.values()):
        length = next(n for n in count(1) if len({part[-n:] for part in parts.values()}) == len(paths))
        below = {path: part[-length:] for path, part in parts.items()}
    return {path: without_ending("/".join(part)) for path, part in below.items()}


def _side(files: Mapping[str, Path], row: Row, role: str, name: str, group: str, split: str) -> tuple[str, Listed]:
    named = {part: files[path] if (path := row.get(f"{role}_{part}")) else None for part in FILES}
    return name, Listed(
        image=files[row[role]],
        labels=named["labels"],
        landmarks=named["landmarks"],
        mask=named["mask"],
        subject=row.get(f"{role}_person") or group or name,
        split=split,
    )


def _split(row: Row, place: str) -> str:
    if row.get("split") not in SPLITS:
        raise DataError(f"{place}: 'split' must be among {list(SPLITS)}, got {row.get('split', '')!r}")
    return row["split"]


def _files(folder: Path, endings: tuple[str, ...] = ENDINGS) -> dict[str, Path]:
    """Files by name less ending, whose form of Unicode does not count; hidden ones are left out."""
    named: dict[str, Path] = {}
    for path in sorted(folder.glob("*")):
        if not path.name.lower().endswith(endings) or path.name[0] == ".":
            continue
        if not path.name.isprintable():
            raise DataError(f"{folder}: the name {path.name!a} must be text that can be printed; rename the file")
        if named.setdefault(_normal(_stem(path, endings)), path) != path:
            other = named[_normal(_stem(path, endings))]
            raise DataError(f"{path}: has the same name as {other.name}{_code_points(path.name, other.name)}")
    return named


def _stem(path: Path, endings: Sequence[str]) -> str:
    ending = next(ending for ending in endings if path.name.lower().endswith(ending))
    return path.name[: -len(ending)]


def _normal(name: str) -> str:
    """One way of writing a name whose accents may be characters of their own, as macOS writes them."""
    return unicodedata.normalize("NFC", name)


def _code_points(first: str, second: str) -> str:
    return "" if first.isascii() else f" ({first!a} and {second!a})"


def _on_disk(folder: Path, rows: Sequence[Row]) -> dict[str, Path]:
    """The file of each path in a table, which may differ from it in the form of its Unicode."""
    files = {
        cell: folder / cell for cell in dict.fromkeys(row[name] for row in rows for name in COLUMNS if row.get(name))
    }
    there: dict[Path, dict[str, Path]] = {}
    for cell, path in files.items():
        if not path.exists():
            if path.parent not in there:
                there[path.parent] = {_normal(other.name): other for other in path.parent.glob("*")}
            files[cell] = there[path.parent].get(_normal(path.name), path)
    return files
