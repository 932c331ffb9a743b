"""Run a study: ``python -m experiments.sweep STUDY``; see ``experiments.runner.command_line`` for its options."""

import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from experiments.runner.command_line import parse
from experiments.runner.command_line import parser as parser
from experiments.runner.confirmation import confirming_sweeps
from experiments.runner.datasets import prepare, taking_part, warn_of_headers, warn_of_labels, warn_of_overlaps
from experiments.runner.dry_run import describe_search, describe_sweep
from experiments.runner.listing import listing
from experiments.runner.oneshot import run_oneshot
from experiments.runner.oneshot_dry_run import describe_oneshot
from experiments.runner.oneshot_setup import prepare_oneshot
from experiments.runner.options import SweepOptions
from experiments.runner.run import begin, run
from experiments.runner.search import make_search, require_storage, run_search
from experiments.runner.search_entry import entry_name
from experiments.runner.search_setup import SearchSetup, prepare_search
from experiments.runner.signals import STOPPED_BY, Interrupted, interrupted_by
from experiments.runner.sweep_plan import make_sweeps
from experiments.studies.semi import semi_supervised
from experiments.study import OneShotStudy, SearchStudy, Study, find_study
from fusemorph.storage import RecordError, StorageError
from nas.dispatch import WorkersDied
from nas.search import Search
from reports.tables.terminal import show_all_characters

GOES_ON = "run the same line again to continue"


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What a sweep is going to do, with all that can be checked beforehand checked.

    ``act`` does it and returns the exit status. ``studies`` names, after that, what was recorded in RUNS: a study on
    each data set, or a search, its control and its confirmation.
    """

    act: Callable[[], int]
    studies: Callable[[], tuple[str, ...]]


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of ``python -m experiments.sweep``; returns the exit status."""
    show_all_characters()
    try:
        with interrupted_by(STOPPED_BY):
            return _main(argv)
    except KeyboardInterrupt as error:
        print(f"\ninterrupted; {GOES_ON}", file=sys.stderr)
        return 128 + (error.args[0] if isinstance(error, Interrupted) else signal.SIGINT)


def _main(argv: Sequence[str] | None) -> int:
    try:
        options = parse(argv)
        if options is None:
            return _show(listing())
        planned = plan(options)
    except (ValueError, StorageError) as error:
        return _refuse(error, status=2)
    try:
        return planned.act()
    except (RecordError, StorageError, WorkersDied) as error:
        return _refuse(error, f"; {GOES_ON}", status=1)
    except ValueError as error:  # what a driver needs is not there; no trial has started
        return _refuse(error, status=2)


def plan(options: SweepOptions) -> Planned:
    """Check all that the study needs, and return what is to be done: show it, or run it.

    Raises:
        ValueError, StorageError: something does not fit, or is not there; nothing has started.
    """
    study = find_study(options.study_name)
    if isinstance(study, OneShotStudy):
        return _plan_oneshot(study, options)
    return _plan_search(study, options) if isinstance(study, SearchStudy) else _plan_sweeps(study, options)


def _plan_sweeps(study: Study, options: SweepOptions) -> Planned:
    sweeps = make_sweeps(study, options)
    trained_on, others = [sweep.dataset for sweep in sweeps], sweeps[0].others
    names = tuple(sweep.name for sweep in sweeps)
    warn_of_overlaps(trained_on, others)
    datasets = taking_part(trained_on, others)
    warn_of_headers(datasets)
    if options.dry_run:
        text = "\n\n".join(describe_sweep(sweep) for sweep in sweeps)
        return Planned(act=partial(_show, text), studies=lambda: names)
    prepare(datasets)
    warn_of_labels([sweep.dataset for sweep in sweeps if sweep.study.labels])
    for sweep in sweeps:
        begin(sweep)
    return Planned(act=partial(run, sweeps), studies=lambda: names)


def _plan_search(study: SearchStudy, options: SweepOptions) -> Planned:
    setup = prepare_search(semi_supervised(study) if options.search.semi else study, options)
    warn_of_overlaps(setup.datasets, setup.others)
    datasets = taking_part(setup.datasets, setup.others)
    warn_of_headers(datasets)
    names = partial(recorded, setup)
    if options.dry_run:
        return Planned(act=partial(_show, describe_search(setup)), studies=names)
    prepare(datasets)
    warn_of_labels(setup.datasets if options.search.semi else ())
    require_storage(setup)
    searches = [make_search(setup, control=control) for control in setup.controls]
    return Planned(act=partial(run_searches, setup, searches), studies=names)


def _plan_oneshot(study: OneShotStudy, options: SweepOptions) -> Planned:
    setup = prepare_oneshot(study, options)
    names = (setup.name, setup.supernet_sweep.name)
    warn_of_headers([setup.dataset])
    if options.dry_run:
        return Planned(act=partial(_show, describe_oneshot(setup)), studies=lambda: names)
    prepare([setup.dataset])
    begin(setup.supernet_sweep)
    return Planned(act=partial(run_oneshot, setup), studies=lambda: names)


def recorded(setup: SearchSetup) -> tuple[str, ...]:
    """The names in RUNS of a search, first of all, and of what belongs to it."""
    first = entry_name(setup, setup.datasets[0], control=False)
    others = sorted(path.stem for path in Path(setup.options.runs, "studies").glob(f"{setup.name}*.json"))
    return tuple(dict.fromkeys([first, *others]))


def run_searches(setup: SearchSetup, searches: Sequence[Search]) -> int:
    """Run the search and its random control, then train the best again; returns the exit status."""
    failed = sum(run_search(setup, search) for search in searches)
    sweeps = confirming_sweeps(setup, searches[0])
    status = run(sweeps) if sweeps else 0
    return max(status, 1 if failed else 0)


def _show(text: str) -> int:
    print(text)
    return 0


def _refuse(error: Exception, more: str = "", *, status: int) -> int:
    message = error.strerror if isinstance(error, StorageError) and error.strerror else error
    print(f"sweep: {message}{more}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
