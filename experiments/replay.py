"""Replay searches on a table of trained plans, in simulated time: ``python -m experiments.replay TABLE``.

Each repeat searches with a seed of its own, on the trainings of one seed of the table. What is shown are means over
repeats after so many trials: best val Dice seen, and regret, which is how far the chosen plan is below the table's best
in its mean over all seeds. For random search the expectation in closed form stands beside the mean.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from experiments.runner.drivers import make_searcher
from experiments.runner.option_types import suggestion
from fusemorph.paths import path_argument
from nas.objectives import find_objectives
from nas.replay import Replayed, expected_best, replay_many
from nas.searcher import Searcher
from nas.table import Curves, PlanTable, TableError, read_table
from reports.tables.terminal import aligned, show_all_characters

SEARCHERS = ("random", "tpe", "nsga2", "evolution", "grid")
SHOWN = (1, 2, 5, 10, 20, 50, 100, 200)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of ``python -m experiments.replay``; 0, or 2 for a wrong call or table."""
    parser = argparse.ArgumentParser(prog="python -m experiments.replay", description=__doc__)
    parser.add_argument("table", type=path_argument, metavar="TABLE", help="as export --format table writes it")
    parser.add_argument(
        "--searcher", action="append", metavar="NAME", help=f"{', '.join(SEARCHERS)}; again for several"
    )
    parser.add_argument("--dataset", metavar="NAME", help="default: the table's first")
    parser.add_argument("--repeats", type=int, default=100, metavar="N", help="searches; default: 100")
    parser.add_argument("--trials", type=int, default=50, metavar="N", help="distinct plans of each; default: 50")
    parser.add_argument("--halving", action="store_true", help="stop weak trials at half and three quarters")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the first repeat; default: 0")
    options = parser.parse_args(argv)
    show_all_characters()
    try:
        _require(options)
        table = read_table(options.table)
        curves = table.curves(options.dataset or table.datasets[0])
        for name in options.searcher or ["random"]:
            print(_shown(name, table, curves, options), flush=True)
    except (TableError, ValueError) as error:
        print(f"replay: {error}", file=sys.stderr)
        return 2
    return 0


def _require(options: argparse.Namespace) -> None:
    for name in options.searcher or []:
        if name not in SEARCHERS:
            raise ValueError(
                f"--searcher must be one of {', '.join(SEARCHERS)}, got {name!r}{suggestion(name, SEARCHERS)}"
            )
    for name in ("repeats", "trials"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} must be at least 1, got {getattr(options, name)}")
    if options.seed < 0:
        raise ValueError(f"--seed must be 0 or more, got {options.seed}")


def searcher_maker(name: str, table: PlanTable) -> Callable[[int], Searcher]:
    """What makes the searcher of that name over the table's space, with a seed."""
    objectives = find_objectives(["dice"])

    def make(seed: int) -> Searcher:
        return make_searcher(name, table.space, objectives, driver=None, seed=seed, journal=None)

    return make


def _shown(name: str, table: PlanTable, curves: Curves, options: argparse.Namespace) -> str:
    began = time.process_time()
    found = replay_many(
        curves, table.space, searcher_maker(name, table), repeats=options.repeats, trials=options.trials,
        halving=options.halving, seed=options.seed,
    )  # fmt: skip
    took_s = time.process_time() - began
    title = f"{name}{', halving' if options.halving else ''}: {len(found)} replays over {len(curves.plans)} plans"
    lines = "\n".join(aligned(summary_rows(found, curves, exact=name == "random" and not options.halving), right=True))
    return f"{title}, {took_s:.1f} s\n{lines}"


def summary_rows(found: Sequence[Replayed], curves: Curves, *, exact: bool) -> list[list[str]]:
    """A header and a row at each shown number of trials; ``exact`` adds what random search has in expectation."""
    rows = [["trials", "hours", "best val Dice", "regret", "5 % to 95 %", *(["best, expected"] if exact else [])]]
    longest = min(len(search.best) for search in found)
    values = [expected_best(curves.dice[:, i, -1], longest) for i in range(len(curves.seeds))]
    share = np.bincount(np.arange(len(found)) % len(curves.seeds), minlength=len(curves.seeds)) / len(found)
    regrets = [search.regret(curves) for search in found]
    for n in sorted({*(n for n in SHOWN if n < longest), longest}):
        regret = np.array([each[n - 1] for each in regrets])
        best = np.array([search.best[n - 1] for search in found])
        hours = float(np.mean([search.seconds[n - 1] for search in found])) / 3600
        row = [str(n), f"{hours:.2f}", _mean(best), _mean(regret), _band(regret)]
        rows.append([*row, *([f"{share @ [each[n - 1] for each in values]:.4f}"] if exact else [])])
    return rows


def _mean(values: np.ndarray) -> str:
    return f"{np.nanmean(values):.4f}" if np.isfinite(values).any() else "none yet"


def _band(values: np.ndarray) -> str:
    if not np.isfinite(values).any():
        return ""
    low, high = np.nanquantile(values, (0.05, 0.95))
    return f"{low:.4f} to {high:.4f}"


if __name__ == "__main__":
    sys.exit(main())
