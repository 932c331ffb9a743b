"""Tables as people save them, and names as systems write them."""

import unicodedata
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
import pytest

from fusemorph.data import DataError
from fusemorph.data.folder_listing import list_folder
from fusemorph.data.pairing import connected_blocks, pairs_within
from fusemorph.data.table import read_table
from tests.data.folder_files import Open, fill

Form = Literal["NFC", "NFD"]

ROWS = ["image,person,split", "s0,Änne,train", "s1,b,val"]
EXPECTED = [{"image": "s0", "person": "Änne", "split": "train"}, {"image": "s1", "person": "b", "split": "val"}]
COLUMNS = {"required": ("image",), "allowed": ("image", "person", "split")}


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_and_encodings_are_recognised(separator: str, encoding: str, end: str, tmp_path: Path) -> None:
    text = end.join(row.replace(",", separator) for row in ROWS)
    assert read_table(written(tmp_path / "t.csv", text, encoding), **COLUMNS) == EXPECTED


@pytest.mark.parametrize(
    "rows",
    [
        ["sep=;", *(row.replace(",", ";") for row in ROWS)],
        [f"{row},," for row in ROWS],
        [ROWS[0], "", *ROWS[1:], ",,", ""],
        [ROWS[0], *(f"{row},," for row in ROWS[1:])],
        [" image , person,split ", *(row.replace(",", " , ") for row in ROWS[1:])],
        ['"image","person","split"', '"s0","Änne","train"', '"s1","b","val"'],
    ],
)
def test_what_says_nothing_is_passed_over(rows: list[str], tmp_path: Path) -> None:
    assert read_table(written(tmp_path / "t.csv", "\n".join(rows)), **COLUMNS) == EXPECTED


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["image,image", "s0,s1"], r"has the column 'image' twice"),
        (
            [f",{ROWS[0]}", *(f"{n},{row}" for n, row in enumerate(ROWS[1:]))],
            r"row 2: '0' stands in a column without a name",
        ),
        ([f"Unnamed: 0,{ROWS[0]}", f"0,{ROWS[1]}"], r"must have .*'Unnamed: 0' is an index: .*leave the index out"),
        ([ROWS[0], "s0,a,train,more"], r"row 2: has 4 cells, the table 3 columns"),
        ([ROWS[0], ",a,train"], r"row 2: 'image' is empty"),
        (["image.person", "s0.a"], r"must have rows, columns \['image'\]"),
        (ROWS[:1], r"must have rows, columns \['image'\], got none"),
        ([""], r"must have rows, columns \['image'\]"),
        ([ROWS[0], 's0,"a,train'], r"cannot be read as CSV \(unexpected end of data\)"),
    ],
)
def test_what_a_table_cannot_mean_is_named(rows: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"t\.csv.*{message}"):
        read_table(written(tmp_path / "t.csv", "\n".join(rows)), **COLUMNS)


def test_an_encoding_that_is_not_recognised_has_its_line_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.csv, line 2: is not UTF-8; save the table as 'CSV UTF-8'"):
        read_table(written(tmp_path / "t.csv", "\n".join(ROWS), "cp1252"), **COLUMNS)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_an_encoding_without_its_mark_has_its_remedy(encoding: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.csv: holds zero bytes, .*; save the table as 'CSV UTF-8'"):
        read_table(written(tmp_path / "t.csv", "image\ns0\n", encoding), **COLUMNS)


def test_many_wrong_rows_are_counted_and_the_first_are_shown(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        read_table(written(tmp_path / "t.csv", "\n".join([ROWS[0], *[",a,train"] * 1000])), **COLUMNS)
    lines = str(raised.value).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "and 980 more of the kind"


def test_long_chains_and_many_persons_are_no_matter_of_their_square() -> None:
    steps = 0

    class Person(str):
        """Counts how often it is looked at."""

        def __hash__(self) -> int:
            nonlocal steps
            steps += 1
            return super().__hash__()

        def __eq__(self, other: object) -> bool:
            return super().__eq__(other)

    def work(count: int) -> int:
        nonlocal steps
        people = [Person(f"p{n:06d}") for n in range(count)]
        steps = 0
        # Each pair hangs what has grown so far below a new person.
        assert set(connected_blocks(list(zip(people[1:], people[:-1], strict=True)))) == {"01"}
        pairs_within(people, lambda scan_id: scan_id)
        return steps

    assert work(4000) < 3 * work(2000)


def test_a_long_table_of_pairs_is_listed(tmp_path: Path) -> None:
    names = fill(tmp_path, 4)
    rows = [f"images/{names[n % 3]}.nii.gz,images/{names[n % 3 + 1]}.nii.gz,train" for n in range(20_000)]
    written(tmp_path / "pairs.csv", "\n".join(["fixed,moving,split", *rows]))
    assert len(list_folder(tmp_path, task="inter", seed=0, fractions=(1.0, 0.0, 0.0)).pairs) == 20_000


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("table", ["splits.csv", "pairs.csv"])
def test_names_are_matched_in_any_form_of_unicode(on_disk: Form, table: str, folder: Path, opened: Open) -> None:
    names = fill(folder, 6)
    other: Form = "NFD" if on_disk == "NFC" else "NFC"
    for part, form in (("images", on_disk), ("labels", other)):
        for name in names:
            accented = unicodedata.normalize(form, f"é{name}.nii.gz")
            (folder / part / f"{name}.nii.gz").rename(folder / part / accented)
    listed = [unicodedata.normalize(other, f"é{name}") for name in names]
    splits = ["train", "train", "val", "val", "test", "test"]
    rows = ["image,split", *(f"{name},{split}" for name, split in zip(listed, splits, strict=True))]
    if table == "pairs.csv":
        pairs = zip(listed[::2], listed[1::2], splits[::2], strict=True)
        rows = ["fixed,moving,split", *(f"images/{a}.nii.gz,images/{b}.nii.gz,{split}" for a, b, split in pairs)]
    written(folder / table, "\n".join(rows))
    dataset = opened()
    assert [len(dataset.scan_ids(split)) for split in ("train", "val", "test")] == [2, 2, 2]
    assert all(
        path.exists() for split in dataset.splits for scan in dataset.scan_ids(split) for path in dataset.files(scan)
    )


def test_two_names_that_look_the_same_are_told_apart_in_the_message(folder: Path, opened: Open) -> None:
    fill(folder, 6, labelled=False)
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "é.nii.gz")
        (folder / "images" / name).write_bytes((folder / "images" / "s00.nii.gz").read_bytes())
    with pytest.raises(DataError, match=r"has the same name as .*\('\\xe9\.nii\.gz' and 'e\\u0301\.nii\.gz'\)"):
        opened()


def test_endings_in_capitals_are_taken(folder: Path, opened: Open) -> None:
    for name in fill(folder, 10)[:5]:
        for part in ("images", "labels"):
            (folder / part / f"{name}.nii.gz").rename(folder / part / f"{name}.NII.GZ")
    dataset = opened()
    assert sum(len(dataset.scan_ids(split)) for split in dataset.splits) == 10


def test_a_name_that_is_no_text_is_refused(folder: Path, opened: Open) -> None:
    fill(folder, 6, labelled=False)
    (folder / "images" / "a\nb.nii").write_bytes(nib.Nifti1Image(np.ones((9, 9, 9)), np.eye(4)).to_bytes())
    with pytest.raises(DataError, match=r"the name 'a\\nb.nii' must be text that can be printed"):
        opened()
