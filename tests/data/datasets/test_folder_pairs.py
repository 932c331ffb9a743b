"""Folders with a table of pairs: who is registered with whom, said by their owner."""

from pathlib import Path

import numpy as np
import pytest

from fusemorph.data import DataError
from fusemorph.data.phantom import write_phantom
from tests.data.folder_files import Open, fill, table


def write_pairs(folder: Path, *rows: str, columns: str = "fixed,moving,fixed_labels,moving_labels,split,block") -> None:
    table(folder / "pairs.csv", columns, *rows)


def pair_row(fixed: str, moving: str, *rest: str) -> str:
    files = [f"{part}/{name}.nii.gz" for part in ("images", "labels") for name in (fixed, moving)]
    return ",".join([*files, *rest])


def test_a_table_of_pairs_is_followed_to_the_letter(folder: Path, opened: Open) -> None:
    fill(folder, 8)
    write_pairs(
        folder,
        pair_row("s00", "s01", "train", ""),
        pair_row("s02", "s00", "train", ""),
        pair_row("s03", "s04", "val", "left"),
        pair_row("s05", "s04", "val", ""),
        pair_row("s06", "s07", "test", ""),
    )
    dataset = opened()
    assert [(index.name, index.block) for index in dataset.pairs("val")] == [("s03<-s04", "left"), ("s05<-s04", "01")]
    rng = np.random.default_rng(0)
    assert {dataset.training_pair(rng).name for _ in range(50)} == {"s00<-s01", "s02<-s00"}
    before = dataset.fingerprint()
    write_pairs(folder, *(folder / "pairs.csv").read_text().splitlines()[1:-1], pair_row("s07", "s06", "test", ""))
    assert opened().fingerprint() == before
    rows = (folder / "pairs.csv").read_text().splitlines()[1:]
    write_pairs(folder, pair_row("s01", "s00", "train", ""), *rows[1:])
    assert opened().fingerprint() != before


def test_pairs_without_splits_are_drawn_by_group(folder: Path, opened: Open) -> None:
    fill(folder, 12)
    write_pairs(
        folder,
        *(pair_row(f"s{n:02d}", f"s{n + 1:02d}") for n in range(0, 12, 2)),
        columns="fixed,moving,fixed_labels,moving_labels",
    )
    dataset = opened(task="intra")
    assert {split: len(dataset.pairs(split)) for split in dataset.splits} == {"train": 4, "val": 1, "test": 1}
    index = dataset.pairs("val")[0]
    assert dataset.subject(index.fixed) == dataset.subject(index.moving)


@pytest.mark.parametrize("prefix", ["", "absolute"])
def test_pairs_of_equal_file_names_take_their_folders_as_ids(folder: Path, opened: Open, prefix: str) -> None:
    for subject in "abc":
        for frame in ("ed", "es"):
            write_phantom(folder / subject / f"{frame}.nii.gz", rng=np.random.default_rng(0))
    begin = f"{folder}/" if prefix else ""
    splits = {"a": "train", "b": "val", "c": "test"}
    rows = [f"{begin}{subject}/ed.nii.gz,{begin}{subject}/es.nii.gz,{split}" for subject, split in splits.items()]
    write_pairs(folder, *rows, columns="fixed,moving,split")
    assert opened(task="intra").scan_ids("val") == ("b/ed", "b/es")


def test_a_pair_of_a_missing_file_names_it(folder: Path, opened: Open) -> None:
    fill(folder, 2)
    write_pairs(folder, pair_row("s00", "s01", "train", ""), pair_row("s02", "s03", "val", ""))
    with pytest.raises(DataError, match=r"images/s02.nii.gz: (no such file|cannot be read)"):
        opened()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["s00,s01,train", "s00,s02,val"], "row 3: s00 has other files, subject or split"),
        (["s00,s00,train"], "row 2: a pair must hold different subjects"),
        (["s00,s01,exam"], r"row 2: 'split' must be among \['train', 'val', 'test'\], got 'exam'"),
        (["s00,,train"], "row 2: 'moving' is empty"),
        ([], "must have rows"),
    ],
)
def test_a_table_of_pairs_that_contradicts_itself_is_named(
    folder: Path, opened: Open, rows: list[str], message: str
) -> None:
    fill(folder, 4, labelled=False)
    cells = [[f"images/{cell}.nii.gz" if cell.startswith("s0") else cell for cell in row.split(",")] for row in rows]
    write_pairs(folder, *map(",".join, cells), columns="fixed,moving,split")
    with pytest.raises(DataError, match=f"pairs.csv.*{message}"):
        opened()


def test_labels_of_some_pairs_alone_are_refused(folder: Path, opened: Open) -> None:
    fill(folder, 4)
    row = "images/s02.nii.gz,images/s03.nii.gz,,,val,"
    write_pairs(folder, pair_row("s00", "s01", "train", ""), row)
    with pytest.raises(DataError, match=r"s02.nii.gz: image without label"):
        opened()
