"""How well cheap estimates rank the plans of a table: ``python -m experiments.ranking TABLE [--estimates RUNS]``.

Parameters, FLOPs, training stopped early, the ranking of another data set, and every estimator of RUNS/estimates,
beside the ceiling: the agreement of two seeds. Kendall's tau and Spearman's rho have 95 % intervals from a bootstrap
over plans. What is read off a training is compared with the other seeds' scores, never with its own.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusemorph.paths import path_argument
from fusemorph.storage import RecordError
from nas.estimates import all_estimates, ranking_value
from nas.table import Curves, PlanTable, TableError, read_table
from reports.statistics.rank_agreement import (
    Estimate,
    Statistic,
    first_regret,
    kendall,
    on_other_seeds,
    precision_at,
    seed_noise,
    sparse_kendall,
    spearman,
    with_interval,
)
from reports.tables.terminal import aligned, show_all_characters

TOP = 5
HEADER = ("estimate", "plans", "s a plan", "tau", "95 %", "rho", "95 %", f"precision at {TOP}", "regret", "sparse tau")


@dataclass(frozen=True, kw_only=True)
class Estimator:
    """What is said of each plan, larger for better, and the seconds that it took a plan.

    ``estimates``: ``(plans,)``, or ``(plans, seeds)`` where they are read off a training of each seed. ``scores``: the
    trained val Dice of the same plans, ``(plans, seeds)``.
    """

    name: str
    estimates: NDArray[np.float64]
    scores: NDArray[np.float64]
    seconds: float

    def measure(self, statistic: Statistic, *, interval: bool = False) -> Estimate:
        """The statistic against the scores: of the other seeds, or, for what has no seed, the mean of all."""
        by_seed = self.estimates.ndim == 2
        chosen = on_other_seeds(statistic) if by_seed else statistic
        scores = self.scores if by_seed else self.scores.mean(axis=1)
        if interval:
            return with_interval(chosen, self.estimates, scores)
        return Estimate(value=chosen(self.estimates, scores))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of ``python -m experiments.ranking``; 0, or 2 for a wrong call or table."""
    parser = argparse.ArgumentParser(prog="python -m experiments.ranking", description=__doc__)
    parser.add_argument("table", type=path_argument, metavar="TABLE", help="as export --format table writes it")
    parser.add_argument("--estimates", type=path_argument, metavar="RUNS", help="a run folder with estimates")
    parser.add_argument("--dataset", metavar="NAME", help="default: the table's first")
    options = parser.parse_args(argv)
    show_all_characters()
    try:
        table = read_table(options.table)
        dataset = options.dataset or table.datasets[0]
        print(ranking_text(list(estimators(table, dataset, options.estimates)), dataset))
    except (TableError, RecordError) as error:
        print(f"ranking: {error}", file=sys.stderr)
        return 2
    return 0


def estimators(table: PlanTable, dataset: str, runs: Path | None = None) -> Iterator[Estimator]:
    """All that ranks the plans of a table on one data set, the ceiling first."""
    curves = table.curves(dataset)
    final = curves.dice[:, :, -1]
    yield Estimator(name="another seed (ceiling)", estimates=final, scores=final, seconds=_mean_s(curves, -1))
    for k, step in enumerate(curves.steps[:-1]):
        name = f"stopped at step {step} of {curves.steps[-1]}"
        yield Estimator(name=name, estimates=curves.dice[:, :, k], scores=final, seconds=_mean_s(curves, k))
    facts = table.rows[table.rows["dataset"] == dataset].drop_duplicates("plan").set_index("plan")
    for name in ("parameters", "flops"):
        counted = facts.loc[list(curves.plans), name].to_numpy(dtype=np.float64)
        yield Estimator(name=name, estimates=counted, scores=final, seconds=0.0)
    for other in (name for name in table.datasets if name != dataset):
        found = table.curves(other)
        by_plan = dict(zip(found.plans, found.final, strict=True))
        yield from _of(f"trained on {other}", by_plan, curves, _mean_s(found, -1) * len(found.seeds))
    for configuration, scores in all_estimates(runs) if runs else ():
        values = {plan: ranking_value(score.value) for plan, score in scores.items()}
        seconds = [scores[plan].seconds for plan in curves.plans if plan in scores]
        set_of = configuration.get("dataset")
        where = f" on {set_of['name']}" if isinstance(set_of, dict) else ""
        yield from _of(f"{configuration['estimator']}{where}", values, curves, float(np.mean(seconds or [0.0])))


def _of(name: str, by_plan: dict[str, float], curves: Curves, seconds: float) -> Iterator[Estimator]:
    """The estimator over the plans that it knows; nothing where it knows none."""
    places = [i for i, plan in enumerate(curves.plans) if plan in by_plan]
    if places:
        estimates = np.array([by_plan[curves.plans[i]] for i in places])
        yield Estimator(name=name, estimates=estimates, scores=curves.dice[places, :, -1], seconds=seconds)


def _mean_s(curves: Curves, place: int) -> float:
    return float(curves.seconds[:, :, place].mean())


def ranking_text(ranked: Sequence[Estimator], dataset: str) -> str:
    """The table of all estimators, and how far apart two trainings of a plan are."""
    noise = seed_noise(ranked[0].scores)
    rows = [_row(estimator, noise) for estimator in ranked]
    seeds = ranked[0].scores.shape[1]
    spread = f"standard deviation between seeds of a plan {noise:.4f}" if seeds > 1 else "one seed: no ceiling is known"
    return "\n".join([f"{dataset}: {seeds} seeds, {spread}", *aligned([HEADER, *rows], right=True)])


def _row(estimator: Estimator, noise: float) -> list[str]:
    tau, rho = (estimator.measure(statistic, interval=True) for statistic in (kendall, spearman))
    rest = [
        estimator.measure(lambda first, second: precision_at(first, second, k=TOP)),
        estimator.measure(first_regret),
        estimator.measure(lambda first, second: sparse_kendall(first, second, noise=noise) if noise > 0 else np.nan),
    ]
    shown = [_number(tau.value), _interval(tau), _number(rho.value), _interval(rho)]
    cells = [_number(entry.value, digits) for entry, digits in zip(rest, (2, 4, 2), strict=True)]
    return [estimator.name, str(len(estimator.estimates)), f"{estimator.seconds:.1f}", *shown, *cells]


def _number(value: float, digits: int = 2) -> str:
    return "-" if np.isnan(value) else f"{value:.{digits}f}"


def _interval(estimate: Estimate) -> str:
    return "-" if np.isnan(estimate.low) else f"{estimate.low:.2f} to {estimate.high:.2f}"


if __name__ == "__main__":
    sys.exit(main())
