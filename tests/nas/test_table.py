"""A table of trained plans as a file: the same after reading, and refused with the row where something is wrong."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.table import TableError, read_table, write_table
from tests.nas.made_table import STEPS, made_table


@pytest.mark.parametrize("suffix", ["parquet", "json"])
def test_a_table_is_the_same_after_reading(tmp_path: Path, suffix: str) -> None:
    table, path = made_table(plans=5), tmp_path / f"table.{suffix}"
    write_table(table, path)
    read = read_table(path)
    assert read.rows.equals(table.rows)
    assert read.metadata == table.metadata
    curves = read.curves("hippocampus")
    assert curves.dice.shape == curves.seconds.shape == (5, 2, len(STEPS))
    row = table.rows[(table.rows["plan"] == curves.plans[3]) & (table.rows["seed"] == 1)]
    assert np.array_equal(curves.dice[3, 1], row["val_dice"])
    write_table(table, path)  # the same once more
    with pytest.raises(TableError, match="is there with other numbers and is never overwritten"):
        write_table(made_table(plans=6), path)


def test_what_was_trained_with_every_seed_takes_part() -> None:
    table = made_table(plans=4)
    rows = table.rows[~((table.rows["plan"] == table.rows["plan"][0]) & (table.rows["seed"] == 1))]
    assert len(replace(table, rows=rows).curves("hippocampus").plans) == 3


@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (6, "val_dice", float("nan"), "row 7: 'val_dice' must be a finite number, got nan"),
        (2, "plan", "ccc/cccc", "row 3: 'plan' must be one of the 181 of the space tiny, got 'ccc/cccc'"),
        (0, "step", 30, "row 1: 'step' must be one of 25, 50, 75, 100, got 30"),
        (5, "step", 25, "row 6: 'step' must come once a trial"),
        (4, "seed", 0.5, "row 5: 'seed' must be a whole number"),
    ],
)
def test_a_wrong_row_is_refused_and_named(tmp_path: Path, row: int, column: str, value: Any, message: str) -> None:
    table = made_table(plans=3)
    rows = table.rows.astype({"seed": float})
    rows.loc[row, column] = value
    with pytest.raises(TableError, match=message):
        write_table(replace(table, rows=rows), tmp_path / "table.parquet")
    assert not list(tmp_path.iterdir())


def test_a_missing_fidelity_another_version_or_space_and_another_file_are_refused(tmp_path: Path) -> None:
    table, path = made_table(plans=3), tmp_path / "table.parquet"
    with pytest.raises(TableError, match="row 5: 'plan' must have a row at each of 4 steps with this seed"):
        write_table(replace(table, rows=table.rows.drop(index=5)), path)
    with pytest.raises(TableError, match="is of version 2, this reads version 1"):
        write_table(replace(table, metadata={**table.metadata, "format": 2}), path)
    other = {"name": "placement", "operators": "jsg", "tied": []}
    with pytest.raises(TableError, match="row 1: 'plan' must be one of the 691 of the space placement"):
        write_table(replace(table, metadata={**table.metadata, "space": other}), path)
    with pytest.raises(TableError, match=r"lacks the columns seconds"):
        write_table(replace(table, rows=table.rows.drop(columns="seconds")), path)
    for name in ("table.parquet", "table.json"):
        (tmp_path / name).write_text("no table")
        with pytest.raises(TableError, match="cannot be read as a table of plans"):
            read_table(tmp_path / name)
    with pytest.raises(TableError, match="is not there"):
        read_table(tmp_path / "absent.parquet")
    with pytest.raises(TableError, match="no data set 'acdc'; it has: hippocampus"):
        table.curves("acdc")
