"""The viewer's sheets hold the slices where the script looks for them, and what cannot be shown is said."""

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reports.analysis.comparison import Comparison, compare_studies
from reports.page.viewer import fault, sheets, viewers
from reports.plots.slices import determinant_colours
from tests.reports.colour_vision import DEFICIENCIES, seen
from tests.reports.records_fixture import ARMS, Records, write_records
from tests.reports.viewer_fixture import view


def decoded(address: str) -> np.ndarray:
    kind, data = address.split(",")
    assert kind == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def tile(sheet: np.ndarray, number: int, facts: dict[str, int]) -> np.ndarray:
    """What the script cuts out for a slice, axis 0 first and axis 1 upwards again."""
    row, column = divmod(number, facts["columns"])
    width, height = facts["width"], facts["height"]
    shown = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
    return shown[::-1].swapaxes(0, 1)


def test_slices_are_where_the_script_looks_for_them(rng: np.random.Generator) -> None:
    stored = view((30, 40), rng, count=8)
    facts = sheets(stored, aspect=1.0)
    assert (facts["columns"], facts["width"], facts["height"]) == (6, 30, 40)
    for name in ("fixed", "moving", "warped"):
        shown = decoded(facts[name])
        assert shown.shape == (2 * 40, 6 * 30, 3)
        for number in (0, 7):
            apart = tile(shown, number, facts)[..., 0] - stored[name][number].astype(int)
            assert np.abs(apart).mean() < 6


def test_outlines_run_where_labels_end(rng: np.random.Generator) -> None:
    stored = view((30, 40), rng, count=2)
    stored["fixed_labels"] = np.zeros((2, 30, 40), np.int16)
    stored["fixed_labels"][1, 10:15, 20:30] = 3
    stored["warped_labels"] = np.zeros((2, 30, 40), np.int16)
    facts = sheets(stored, aspect=1.0)
    bits = tile(decoded(facts["outlines"]), 1, facts)[..., 0]
    assert {tuple(at) for at in np.argwhere(bits & 1)} == {(i, j) for i in (9, 14) for j in range(20, 30)}
    assert {tuple(at) for at in np.argwhere(bits & 2)} == {(i, j) for i in range(10, 15) for j in (19, 29)}
    assert not (bits & 12).any()
    assert not tile(decoded(facts["outlines"]), 0, facts).any()


def test_folding_is_black_and_kept_volume_white(rng: np.random.Generator) -> None:
    stored = view((30, 40), rng, count=7)
    stored["determinant"] = np.ones((7, 30, 40), np.float16)
    stored["determinant"][0, 3, 5] = -0.01
    facts = sheets(stored, aspect=1.0)
    shown = tile(decoded(facts["determinant"]), 0, facts)
    assert not shown[3, 5].any()
    assert np.all(shown[10, 10] > 230)
    assert np.all(tile(decoded(facts["determinant"]), 11, facts) > 230)  # where no slice is, nothing folds


def test_displacements_keep_their_size(rng: np.random.Generator) -> None:
    stored = view((30, 40), rng, count=3)
    facts = sheets(stored, aspect=1.0)
    moved = np.frombuffer(base64.b64decode(facts["displacement"].removeprefix("base64,")), np.int8) * facts["scale"]
    true = stored["displacement"].astype(float)
    assert np.abs(moved.reshape(true.shape) - true).max() <= 0.5 * np.abs(true).max() / 127 + 1e-9
    assert facts["nodes"] == [10, 14]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fixed": None}, "lacks fixed"),
        ({"fixed": np.zeros((30, 40), np.uint8)}, "holds an array of shape (30, 40)"),
        ({"fixed": np.zeros((2, 161, 40), np.uint8)}, "up to 24 slices of 160 pixels"),
        ({"warped": np.zeros((2, 30, 41), np.uint8)}, "several shapes"),
        ({"displacement": np.zeros((2, 2, 3, 3))}, "does not fit its slices"),
        ({"grid_step": np.int64(0)}, "does not fit its slices"),
        ({"slices": np.arange(5)}, "does not name its slices"),
    ],
)
def test_what_is_wrong_with_stored_slices_is_said(
    rng: np.random.Generator, change: dict[str, np.ndarray | None], words: str
) -> None:
    stored = view((30, 40), rng, count=2)
    assert fault(stored) is None
    changed = {name: array for name, array in (stored | change).items() if array is not None}
    assert words in str(fault(changed))


@pytest.fixture
def pictured(tmp_path: Path) -> Comparison:
    for folder in write_records(tmp_path / "runs", Records(arms=ARMS[:2], seeds=1, pictures=True)).values():
        (folder / "eval" / "val" / "viewer.npz").unlink()
    return compare_studies([tmp_path / "runs"])[0]


def test_old_records_say_that_there_is_nothing_to_scroll(pictured: Comparison) -> None:
    shown = dict(viewers(pictured, 10**6))
    assert list(shown) == ["AutoFuse", "early"]
    assert all("No slices to scroll were recorded" in of_arm["message"] for of_arm in shown.values())


def test_a_small_page_and_broken_files_leave_viewers_out(pictured: Comparison, rng: np.random.Generator) -> None:
    folders = {arm: pictures.path.parent for arm, pictures in pictured.records.pictures.items()}
    np.savez_compressed(folders["AutoFuse"] / "viewer.npz", allow_pickle=False, **view((48, 64), rng))
    (folders["early"] / "viewer.npz").write_bytes(b"no archive")
    shown = dict(viewers(pictured, 10**6))
    assert shown["AutoFuse"]["message"] == ""
    first = shown["AutoFuse"]["views"][0]
    assert first["pair"].count(" ← ") == 1
    ranks = [(view["rank"], view["plane"]) for view in shown["AutoFuse"]["views"]]
    assert ranks == [("median", "axial"), ("best", "sagittal"), ("median", "sagittal"), ("worst", "sagittal")]
    assert first["sides"] == ["R", "L", "P", "A"], "axis 0 goes to the right and points to the left of the body"
    assert first["pixel_mm"] == 1.0
    assert "cannot be read as pictures" in shown["early"]["message"]
    assert "keep the page small" in dict(viewers(pictured, 1000))["AutoFuse"]["message"]
    stretched = {**pictured.records.definition, "dataset": {"spacing_mm": [1.0, 3.0, 1.0]}}
    thick = replace(pictured, records=replace(pictured.records, definition=stretched))
    assert dict(viewers(thick, 10**6))["AutoFuse"]["views"][0]["aspect"] == pytest.approx(3 * 64 / 48)


def test_other_pairs_and_planes_are_shown_as_far_as_the_page_goes(
    pictured: Comparison, rng: np.random.Generator
) -> None:
    for pictures in pictured.records.pictures.values():
        np.savez_compressed(pictures.path.with_name("viewer.npz"), allow_pickle=False, **view((48, 64), rng))
    whole = dict(viewers(pictured, 10**6))
    size = sum(
        len(value) for of_arm in whole.values() for value in of_arm["views"][0].values() if isinstance(value, str)
    )
    small = dict(viewers(pictured, size + 100))
    assert [len(of_arm["views"]) for of_arm in small.values()] == [1, 1], "the median pair of each arm comes first"


def test_folding_is_unlike_every_other_determinant_for_every_eye() -> None:
    scale = determinant_colours()(np.linspace(0, 1, 64))[:, :3]
    folded = np.zeros((1, 3))
    for sight in (None, *DEFICIENCIES):
        apart = np.linalg.norm(seen(scale, sight) - seen(folded, sight), axis=1)
        assert apart.min() > 35
