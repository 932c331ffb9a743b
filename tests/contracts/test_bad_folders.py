"""A folder of any data set that is not as it should be: the wrong level, half a download, tables as people save."""

import csv
import io
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fusemorph.data import DataError, Dataset
from tests.contracts.dataset_example import NAMES, Example, kind

SEVERAL = [name for name in NAMES if len(kind(name).variants) > 1 and name != "learn2reg"]
"""Data sets whose layouts could be mixed in one folder; a task of Learn2Reg says itself which it is."""
TABLED = {
    "abide": "SUB_ID",
    "adhd200": "ScanDir ID",
    "adni": "PTID",
    "bids": "participant_id",
    "brains": "SUB_ID",
    "folder": "image",
    "mnms": "External code",
}
"""Data sets that come with tables, or may have them, and the column of their ids."""
TABLES = (".csv", ".tsv")


@pytest.fixture(params=list(TABLED))
def tabled(request: pytest.FixtureRequest, tmp_path: Path, written: Callable[..., Example]) -> Example:
    example = written(request.param).copied(tmp_path / "data")
    assert tables(example.arguments["data"])
    return example


def identity(dataset: Dataset) -> dict[str, Any]:
    return {split: dict.fromkeys(dataset.scan_ids(split)) for split in dataset.splits}


def images(dataset: Dataset) -> list[Path]:
    return [dataset.files(scan_id)[0] for split in dataset.splits for scan_id in dataset.scan_ids(split)]


def tables(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.suffix in TABLES and "keypoints" not in path.parent.name]


def test_a_folder_that_lies_too_deep_is_refused(filed: Example) -> None:
    folder = filed.arguments["data"]
    for deep in {image.parent for image in images(filed.open())} - {folder}:
        with pytest.raises(DataError, match=str(deep)):
            filed.open(data=deep)


def test_half_a_download_is_named(filed: Example) -> None:
    image = images(filed.open())[-1]
    image.rename(image.with_name(f"{image.name}.part"))
    with pytest.raises(DataError) as caught:
        filed.open()
    assert image.name in str(caught.value)


@pytest.mark.parametrize("name", SEVERAL)
def test_two_layouts_in_one_folder_are_named(name: str, written: Callable[..., Example], tmp_path: Path) -> None:
    first, second = kind(name).variants[:2]
    example = written(name, first).copied(tmp_path / "both")
    shutil.copytree(written(name, second).arguments["data"], tmp_path / "both" / "more")
    with pytest.raises(DataError, match=rf"mixes 2 layouts of {name} "):
        example.open()


def test_pickles_are_refused_and_not_loaded(filed: Example, tmp_path: Path) -> None:
    for image in set(images(filed.open())):
        image.unlink()
        image.with_name(f"{image.name.partition('.')[0]}.pkl").write_bytes(pickle.dumps(_Creates(tmp_path / "loaded")))
    with pytest.raises(DataError):
        filed.open()
    assert not (tmp_path / "loaded").exists()


class _Creates:
    """What makes a folder where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self._path),)


@pytest.mark.parametrize(("encoding", "separator"), [("utf-16", ";"), ("utf-8-sig", "\t"), ("utf-32", ",")])
def test_tables_are_read_however_they_are_saved(encoding: str, separator: str, tabled: Example) -> None:
    before = identity(tabled.open())
    for table in tables(tabled.arguments["data"]):
        rows = csv.reader(
            io.StringIO(table.read_text(encoding="utf-8")), delimiter="\t" if "tsv" in table.name else ","
        )
        text = io.StringIO()
        csv.writer(text, delimiter=separator).writerows(rows)
        table.write_text(text.getvalue(), encoding=encoding)
    assert identity(tabled.open()) == before


def test_a_table_in_another_alphabet_is_named_with_the_remedy(tabled: Example) -> None:
    for table in tables(tabled.arguments["data"]):
        kept = table.read_bytes()
        table.write_bytes(kept.rstrip() + b"\n\xe9\xff\n")
        with pytest.raises(DataError, match=rf"{table.name}, line \d+: is not UTF-8; save the table as 'CSV UTF-8'"):
            tabled.open()
        table.write_bytes(kept)


@pytest.mark.parametrize("changed", ["03/02/2011", "Mar-11", "2.7E+05"])
def test_an_id_that_a_spreadsheet_has_changed_is_named(changed: str, tabled: Example) -> None:
    tabled.open()
    changes = 0
    for table in tables(tabled.arguments["data"]):
        separator = "\t" if table.suffix == ".tsv" else ","
        rows = [line.split(separator) for line in table.read_text(encoding="utf-8").splitlines()]
        if TABLED[tabled.name] not in rows[0]:
            continue
        changes += 1
        rows[1][rows[0].index(TABLED[tabled.name])] = changed
        table.write_text("\n".join(map(separator.join, rows)) + "\n", encoding="utf-8")
        with pytest.raises(DataError) as caught:
            tabled.open()
        assert table.name in str(caught.value)
        assert changed in str(caught.value)
    assert changes
