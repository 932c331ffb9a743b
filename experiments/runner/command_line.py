"""The command line of a sweep."""

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch

from experiments.runner.drivers import DRIVERS, SEARCHERS
from experiments.study import known_studies
from fusemorph.catalogue import add_folders, add_option
from fusemorph.configuration import BUDGETS
from nas.objectives import OBJECTIVES


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; folders of ``--entries`` are searched from here on."""
    parser = argparse.ArgumentParser(prog="python -m experiments.sweep", description=__doc__)
    names = ", ".join(_find_entries(argv))
    parser.add_argument("study", nargs="?", help=f"one of {names}")
    add_option(parser)
    parser.add_argument("--dataset", action="append", default=[], metavar="NAME", help="default: the study's own")
    parser.add_argument("--data", action="append", default=[], metavar="NAME=DIR", help="where a dataset's files lie")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the dataset")
    parser.add_argument("--budget", help=f"{', '.join(BUDGETS)}, or search-80: 80 steps; default: the study's own")
    parser.add_argument("--seeds", type=int, metavar="N", help="train with seeds 0 to N-1; default: the study's own")
    parser.add_argument("--arm", action="append", default=[], metavar="LABEL", help="run these arms alone")
    parser.add_argument("--plan", metavar="PLAN", help="train the arms of --arm with this plan beside their own, too")
    parser.add_argument("--refine", type=int, metavar="STEPS", help="run the arms of --arm refined for each pair, too")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="default: ./runs")
    parser.add_argument("--name", help="what the study is called in RUNS; default: STUDY-DATASET-BUDGET")
    parser.add_argument("--driver", default="inline", choices=DRIVERS, help="default: inline, no engine")
    parser.add_argument("--workers", type=int, metavar="N", help="trials at a time; default: cores / threads, or 1")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads a trial; default: 1")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="where preprocessed images are kept")
    parser.add_argument("--retry-failed", action="store_true", help="run failed trials again; their records are kept")
    parser.add_argument("--tensorboard", type=Path, metavar="DIR", help="write scalars of the trials that run")
    parser.add_argument("--dry-run", action="store_true", help="show each trial with its size and time, and stop")
    parser.add_argument("--list", action="store_true", help="show studies, datasets, operators, plans and budgets")
    _add_search(parser.add_argument_group("searches"))
    _add_ray(parser.add_argument_group("the driver ray"))
    options = parser.parse_args(argv)
    if not options.study and not options.list:
        parser.error(f"name a study: {names} (or --list)")
    if options.plan and not options.arm:
        parser.error("--plan needs --arm: the arm whose plan it takes the place of")
    if options.refine and not options.arm:
        parser.error("--refine needs --arm: the arms whose results are refined")
    for name in ("seeds", "workers", "threads", "trials", "refine"):
        value = getattr(options, name)
        if value is not None and value < 1:
            parser.error(f"--{name} must be at least 1, got {value}")
    if options.driver != "inline" and find_spec(options.driver) is None:
        parser.error(f"--driver {options.driver} needs the extra 'search': python -m pip install -e '.[search]'")
    try:
        torch.empty(1, device=options.device)
    except (RuntimeError, AssertionError) as error:
        parser.error(f"--device {options.device}: {str(error).splitlines()[0]}")
    options.runs = options.runs.absolute()
    return options


def _find_entries(argv: Sequence[str] | None) -> tuple[str, ...]:
    """Search the folders of ``--entries``, before the rest is read: the help names the studies that are found."""
    parser = argparse.ArgumentParser(prog="python -m experiments.sweep", add_help=False, allow_abbrev=False)
    add_option(parser)
    try:
        add_folders(parser.parse_known_args(argv)[0].entries)
        return known_studies()
    except ValueError as error:
        parser.error(str(error))


def _add_search(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--trials", type=int, metavar="N", help="distinct configurations in all, those done included")
    group.add_argument("--searcher", help=f"one of {', '.join(SEARCHERS)}; default: the driver's own")
    group.add_argument("--operators", help="symbols that a stage may take; default: the study's own")
    group.add_argument(
        "--objective", action="append", metavar="NAME", help=f"of {', '.join(OBJECTIVES)}; default: dice"
    )
    group.add_argument(
        "--early-stopping",
        choices=["halving", "none"],
        help="default: halving with the one objective dice, one dataset and one seed",
    )
    group.add_argument("--max-parameters", type=float, metavar="N", help="refuse larger networks")
    group.add_argument("--max-flops", type=float, metavar="N", help="refuse networks of more forward FLOPs")
    group.add_argument("--max-folding", type=float, metavar="X", help="disregard results that fold more")
    group.add_argument("--search-seed", type=int, default=0, metavar="N", help="of the searcher; default: 0")
    group.add_argument(
        "--confirm", type=int, metavar="K", help="train the best K again; 0: none; default: the study's own"
    )
    group.add_argument("--confirm-budget", metavar="NAME", help="default: the study's own")
    group.add_argument("--confirm-seeds", type=int, metavar="N", help="default: the study's own")
    group.add_argument("--no-control", action="store_true", help="no random search of the same size beside it")
    group.add_argument(
        "--price", type=float, metavar="P", help="price of an hour of a trial's core or GPU, for --dry-run"
    )


def _add_ray(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--address", help="of a cluster, or auto; default: start Ray on this machine")
    group.add_argument("--cpus-per-trial", type=float, default=1, metavar="N", help="default: 1")
    group.add_argument("--gpus-per-trial", type=float, default=0, metavar="N", help="may be a fraction; default: 0")
