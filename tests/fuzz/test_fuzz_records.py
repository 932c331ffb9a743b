"""Records and tables that anybody may have written, given to the core, to ``check`` and to the reports."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import reports.plots.style
from fusemorph import cli
from fusemorph.trials.load import load_trial
from reports.__main__ import main
from reports.analysis.comparison import compare_studies
from reports.analysis.significance import Certainty
from reports.checklist.checklist import checklist
from reports.records import NothingToReportError
from reports.records.search import load_searches
from reports.tables.provenance import provenance
from reports.tables.study import all_tables
from tests.data.folder_files import fill
from tests.fuzz.judging import call, hidden, judge
from tests.fuzz.malformed import spoil_table
from tests.fuzz.malformed_records import spoil_record, spoil_runs
from tests.reports.records_fixture import ARMS, Records, write_records
from tests.reports.search_fixture import search_and_control
from tests.trained_trial import trained

pytestmark = pytest.mark.fuzz

MARKUP = ("<script>alert", "<img src=x", "</svg></table>", "\x1b", "\x07", "\x00", "\u202e")


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("case", range(60))
def test_a_trial_is_loaded(case: int, trial: Path, tmp_path: Path) -> None:
    run = tmp_path / trial.name
    shutil.copytree(trial, run)
    damage = spoil_record(run, np.random.default_rng([5, case]))
    before = states(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            load_trial(run)
        except ValueError as error:
            message = str(error)
            assert str(run) in message, f"{damage}: {message}"
            assert len(message) < 2000, damage
    assert states(tmp_path) == before, damage


@pytest.mark.parametrize("case", range(40))
def test_check_of_a_folder_with_pairs(case: int, tmp_path: Path) -> None:
    folder, cache = tmp_path / "set", tmp_path / "cache"
    names = fill(folder, 6, shape=(12, 13, 14), labelled=False)
    rows = [
        f"images/{fixed}.nii.gz,images/{moving}.nii.gz,{split}"
        for fixed, moving, split in zip(names[::2], names[1::2], ("train", "val", "test"), strict=True)
    ]
    (folder / "pairs.csv").write_text("\n".join(["fixed,moving,split", *rows]) + "\n")
    damage = spoil_table(folder / "pairs.csv", np.random.default_rng([6, case]))
    line = ["check", "folder", "--data", str(folder), "--cache", str(cache)]
    done = call(case, cli.main, "fusemorph", *line)
    judge(done, damage=damage, names=[str(folder), "folder: "], wrong=(1, 2))
    assert hidden(folder, cache) == []


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study and a search with its control."""
    runs = tmp_path_factory.mktemp("records") / "runs"
    write_records(runs, Records(arms=(ARMS[0], ARMS[3]), seeds=1, blocks=3, pairs_in_block=2, pictures=True))
    search_and_control(runs)
    return runs


def states(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Of everything below a folder: kind, size and date."""
    return {path: (path.lstat().st_mode, path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.mark.parametrize("case", range(160))
def test_tables_of_a_report(case: int, records: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(records, runs)
    damage = spoil_runs(runs, np.random.default_rng([7, case]))
    before = states(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            comparisons, searches = compare_studies([runs]), load_searches([runs])
        except NothingToReportError as error:
            message = str(error)
            assert str(runs) in message, f"{damage}: {message}"
            return
        text = checklist(comparisons, searches).markdown()
        for comparison in comparisons:
            tables = [*all_tables(Certainty(comparison)).values(), provenance(comparison.records)]
            text += "".join(table.markdown() + table.latex("table") for table in tables)
    problems = [line for comparison in comparisons for line in comparison.records.problems]
    problems += [line for search in searches for line in search.problems]
    assert all(str(runs) in line or line.startswith("the trials mix") for line in problems), (damage, problems)
    assert not any(mark in text + "".join(problems) for mark in MARKUP[3:]), damage
    assert states(tmp_path) == before, damage


@pytest.mark.parametrize("case", range(16))
def test_a_report(case: int, records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports.plots.style, "FILES", {})
    runs, out = tmp_path / "runs", tmp_path / "out"
    shutil.copytree(records, runs)
    damage = spoil_runs(runs, np.random.default_rng([8, case]))
    before = states(runs)
    done = call(case, main, "reports", str(runs), "--out", str(out))
    judge(done, damage=damage, names=[str(runs), str(out)], wrong=(2,))
    assert states(runs) == before, damage
    assert {path.name for path in tmp_path.iterdir()} <= {"runs", "out"}
    assert not list(out.rglob("*.part")), damage
    assert out.exists() == (done[0] == 0), damage
    if done[0] == 0:
        page = (out / "index.html").read_text()
        assert not any(mark in page for mark in MARKUP), damage
