"""The command line of a sweep: its options by group, read into the typed ones."""

import argparse
from collections.abc import Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, TypeVar

import torch

from experiments.runner.drivers import require_devices, require_extras
from experiments.runner.option_fields import OPTION, Options, flag_of
from experiments.runner.option_types import Folder
from experiments.runner.options import (
    DataOptions,
    ExecutionOptions,
    OneShotOptions,
    SearchOptions,
    StudyOptions,
    SweepOptions,
)
from experiments.runner.storage import require_folder
from experiments.study import known_studies
from fusemorph.catalogue import add_folders, add_option
from fusemorph.configuration import Compiler
from fusemorph.storage import StorageError
from fusemorph.trials.compiling import try_compiler

PROGRAM = "python -m experiments.sweep"
GROUPS: dict[type[Options], str] = {
    StudyOptions: "what is compared",
    DataOptions: "on which images",
    ExecutionOptions: "where and how trials run",
    SearchOptions: "searches",
    OneShotOptions: "the study oneshot",
}
DESCRIPTION = """\
Run a study: train and evaluate every arm on a data set, at a budget, with seeds; then measure cost and draw the report.
The same line run again does only what is missing. A search tries configurations, and trains the best of them again.
Exit status: 0 when every trial finished, 1 when some failed, 2 for invalid arguments, 128 and the signal when stopped.
"""
EXAMPLES = f"""\
examples:
  {PROGRAM} quickstart
  {PROGRAM} fusion --dataset hippocampus --data hippocampus=DIR --budget quick --seeds 3 --dry-run
  {PROGRAM} placement --searcher tpe --trials 60 --dataset hippocampus --data hippocampus=DIR
  {PROGRAM} placement --executor ray --address auto --gpus-per-trial 0.5 --searcher tpe --trials 500
"""
Kind = TypeVar("Kind", bound=Options)


class _Parser(argparse.ArgumentParser):
    """A parser that suggests the option that was meant."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        options, rest = self.parse_known_args(args, namespace)
        if rest:
            word = rest[0].partition("=")[0]
            near = get_close_matches(word, self._option_string_actions, n=1)
            self.error(f"unrecognized arguments: {' '.join(rest)}" + (f"; did you mean {near[0]}?" if near else ""))
        return options


def parser(studies: Sequence[str] = (), program: str = PROGRAM) -> argparse.ArgumentParser:
    """The options of a sweep by group; ``studies`` are named in the help."""
    made = _Parser(
        prog=program, usage=f"{program} STUDY [options]", description=DESCRIPTION, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    made.add_argument("study", nargs="?", help=f"one of {', '.join(studies)}")
    made.add_argument("--list", action="store_true", help="list studies, data sets, operators, plans and budgets")
    made.add_argument("--dry-run", action="store_true", help="show each trial with its size and time, and stop")
    made.add_argument("--runs", default="runs", metavar="DIR", help="folder of the records; default: ./runs")
    add_option(made)
    for kind, title in GROUPS.items():
        _add_group(made, kind, title)
    return made


def parse(argv: Sequence[str] | None) -> SweepOptions | None:
    """Read the command line; folders of ``--entries`` are searched from here on. None where ``--list`` is asked for.

    Raises:
        ValueError: an option that is out of bounds, or needs what is not installed; the message names it.
        SystemExit: no such option, or no study.
    """
    studies = _find_entries(argv)
    made = parser(studies)
    given = made.parse_args(argv)
    if given.list:
        return None
    if not given.study:
        made.error(f"name a study: {', '.join(studies)} (or --list)")
    if given.device is None:
        given.device = "cuda" if torch.cuda.is_available() else "cpu"
    options = SweepOptions(
        study_name=given.study, runs=_runs(given.runs), dry_run=given.dry_run, study=_pick(StudyOptions, given),
        data=_pick(DataOptions, given), execution=_pick(ExecutionOptions, given), search=_pick(SearchOptions, given),
        oneshot=_pick(OneShotOptions, given),
    )  # fmt: skip
    require_extras(options.search, options.execution)
    require_devices(options.execution)
    if options.study.compile:
        _require_compiler(options.study.compile, options.execution.device)
    return options


def _require_compiler(compiler: Compiler, device: str) -> None:
    try:
        try_compiler(compiler, torch.device(device))
    except RuntimeError as error:
        raise ValueError(f"--compile: {error}") from error


def _runs(given: str) -> Any:
    try:
        runs = Folder().read(given)
        require_folder(runs)
    except (ValueError, StorageError) as error:
        raise ValueError(f"--runs: {error}") from error
    return runs


def _pick(kind: type[Kind], given: argparse.Namespace) -> Kind:
    """The options of that kind among those given; the others have their defaults."""
    values = {item.name: getattr(given, item.name) for item in fields(kind)}
    return kind(**{name: value for name, value in values.items() if value is not None})


def _add_group(parser: argparse.ArgumentParser, kind: type[Options], title: str) -> None:
    group = parser.add_argument_group(title)
    for item in fields(kind):
        shown = item.metadata[OPTION]
        about: dict[str, Any] = {"dest": item.name, "help": shown["help"], "default": None}
        if item.type in (bool, "bool"):
            group.add_argument(flag_of(item), action="store_const", const=True, **about)
        else:
            about |= {"nargs": "?", "const": shown["bare"]} if shown["bare"] else {}
            action = "append" if shown["many"] else "store"
            group.add_argument(flag_of(item), action=action, metavar=shown["metavar"], **about)


def _find_entries(argv: Sequence[str] | None) -> tuple[str, ...]:
    """Search the folders of ``--entries``, before the rest is read: the help names the studies that are found."""
    early = argparse.ArgumentParser(prog=PROGRAM, add_help=False, allow_abbrev=False)
    add_option(early)
    try:
        add_folders(early.parse_known_args(argv)[0].entries)
        return known_studies()
    except ValueError as error:
        early.error(str(error))
