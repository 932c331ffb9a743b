"""A study run from Python, in a script or a notebook, and what can be read of it afterwards."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from experiments.runner.command_line import parse
from experiments.runner.keywords import arguments_of, described, signature_of
from experiments.runner.signals import STOPPED_BY, interrupted_by
from experiments.study import AnyStudy
from experiments.sweep import plan
from fusemorph.catalogue import DATASETS, METHODS, STUDIES, Kind, add_folders, look_again
from fusemorph.data import Dataset
from fusemorph.method import Method

if TYPE_CHECKING:
    import pandas as pd

    from reports.records.search import SearchRecords


@dataclass(frozen=True, kw_only=True)
class StudyRun:
    """What a call of ``run_study`` left: the folder of the records, and the names of its studies in it.

    ``status`` is the exit status of the same command line: 0 when every trial finished, 1 when some failed.
    """

    runs: Path
    studies: tuple[str, ...]
    status: int

    @cached_property
    def pairs(self) -> "pd.DataFrame":
        """A row a pair of each trial, with its metrics, arm and seed; one without a pair for a trial that failed."""
        return self.records("pairs")

    @cached_property
    def trials(self) -> "pd.DataFrame":
        """A row a trial: arm, seed, state, why it failed, size and cost, and the means of its metrics over pairs."""
        metrics = ["pair", "block", "split", "failure"]
        rows = self.pairs.drop(columns=metrics, errors="ignore")
        keys = ["study", "dataset", "arm", "seed"]
        numbers = [name for name in rows.select_dtypes("number") if name not in keys]
        facts = [name for name in rows if name not in numbers and name not in keys]
        found = rows.groupby(keys, sort=False, dropna=False)
        return found[facts].first().join(found[numbers].mean()).reset_index()

    def records(self, kind: str = "pairs") -> "pd.DataFrame":
        """The records of one kind: ``pairs``, ``labels`` (by structure), ``history`` or ``gates``; see
        ``reports.dataframe.load``.

        Raises:
            NothingToReportError: nothing is recorded, or the study is a search without a confirmation.
        """
        from reports.dataframe import load

        table = load(self.runs, study=self._only_study, kind=kind)  # type: ignore[arg-type]
        return table[table["study"].isin(self.studies)].reset_index(drop=True)

    def search(self) -> "SearchRecords":
        """The candidates of a search, for the figures of ``reports.plot``; see ``plot.load_search``."""
        from reports.plot import load_search

        return load_search(self.runs, study=self.studies[0])

    def report(self, out: Path | str | None = None, **choices: Any) -> Path:
        """Write the report, by default to ``RUNS/reports/STUDY``, and return its page.

        ``choices`` are those of ``reports.page.write_report``: ``primary``, ``baseline``, ``margin``, ``width``, ...
        """
        from reports.page import write_report

        folder = Path(out or self.runs / "reports" / (self._only_study or "all"))
        return write_report([self.runs], folder, study=self._only_study, **choices)

    @property
    def _only_study(self) -> str | None:
        return self.studies[0] if len(self.studies) == 1 else None


def run_study(
    study: str,
    *,
    runs: Path | str = "runs",
    dry_run: bool = False,
    entries: Path | str | Sequence[Path | str] = (),
    **options: Any,
) -> StudyRun:
    """Run a study as ``python -m experiments.sweep`` does, and return a handle on its records.

    What is finished is not done again, so that the same call goes on after an interruption. Options have the names of
    the command line, with ``_`` for ``-``; those that may be given several times take a list, ``data`` and ``set`` a
    mapping. ``runs`` is the folder of the records, ``entries`` a folder of your own methods, data sets and studies,
    which are read anew at each call; ``dry_run`` shows what would be done.

    Raises:
        ValueError: a wrong name, value or file, said before anything starts; the message names the option.
        RecordError, StorageError, WorkersDied: as the message says; everything written before is there.
        KeyboardInterrupt: it was interrupted (the stop button of a notebook); the steps done are saved.
    """
    try:
        words = [*arguments_of(_name(study), options), f"--runs={runs}", *(["--dry-run"] if dry_run else [])]
        folders = [entries] if isinstance(entries, Path | str) else list(entries)
        look_again()
        add_folders(Path(folder) for folder in folders)
        with _as_command_line([*words, *(f"--entries={folder}" for folder in folders)]), interrupted_by(STOPPED_BY):
            parsed = parse(sys.argv[1:])
            assert parsed is not None, "it names a study"
            planned = plan(parsed)
            status = planned.act()
        return StudyRun(runs=parsed.runs, studies=planned.studies(), status=status)
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        raise ValueError(f"run_study(): {error}{_defined_here()}") from error


run_study.__signature__ = signature_of(run_study)  # type: ignore[attr-defined]
run_study.__doc__ = f"{run_study.__doc__}\n    Options:\n{described()}\n"


@contextmanager
def _as_command_line(words: Sequence[str]) -> Iterator[None]:
    """What records name as the command: the line that does the same, and not how a notebook was started."""
    before, sys.argv = sys.argv, ["sweep.py", *words]
    try:
        yield
    finally:
        sys.argv = before


def _name(study: Any) -> str:
    if isinstance(study, AnyStudy):
        raise ValueError("'study' must be the name of a study, got the study itself")
    return study  # type: ignore[no-any-return]


def _defined_here() -> str:
    """How workers find what the calling notebook or script defines itself; empty where it defines no entry."""
    contracts: dict[Kind, type | tuple[type, ...]] = {
        METHODS: Method, DATASETS: Dataset, STUDIES: get_args(AnyStudy),
    }  # fmt: skip
    for name, value in vars(sys.modules["__main__"]).items():
        for kind, contract in contracts.items():
            defined_here = isinstance(value, type) and value.__module__ == "__main__" and issubclass(value, contract)
            if name.startswith("_") or not (defined_here or (kind is STUDIES and isinstance(value, contract))):
                continue
            called = getattr(value, "name", None) or name.lower()
            file = f"entries/{kind.plural}/{called}.py"
            return (
                f"; {name} is defined in this notebook or script alone, where worker processes do not find it: move it "
                f"with its imports to {file} (a cell that begins with '%%writefile {file}' does), and call with "
                "entries='entries'"
            )
    return ""
