"""A supernet trained, every plan scored with its weights, and plans trained alone to tell how far to trust that."""

import sys
import time
from collections.abc import Mapping
from dataclasses import replace

import torch

from experiments.runner.drivers import drive
from experiments.runner.oneshot_setup import OneShotSetup
from experiments.runner.oneshot_summary import Estimator, ranking_text
from experiments.runner.progress import PLAIN_EVERY_S, watch
from experiments.runner.run import begin, run
from experiments.runner.sweep_plan import Sweep
from fusemorph.fusion.method import Fusion
from fusemorph.records import TrialFolder, history_of
from fusemorph.storage import read_json
from nas.estimates import Estimates, Score, ranking_value
from nas.jobs import JobList
from nas.proxy import PAIRS, SEED, load_proxy, probe_of
from nas.shared_weights import NAME, score_plans, shared_estimates

SHARES = {"stopped at 1/4": 1 / 4, "stopped at 1/2": 1 / 2, "trained once": 1.0}


def run_oneshot(setup: OneShotSetup) -> int:
    """Run the study from where its records end; returns the exit status.

    Raises:
        RecordError, StorageError, WorkersDied: as the message says; everything written before is there.
    """
    if (folder := _train_supernet(setup)) is None:
        return 1
    shared = _score(setup, folder)
    ranked = sorted(shared, key=lambda plan: (-ranking_value(shared[plan].value), plan))
    best, others = setup.chosen(ranked)
    print(f"{setup.name}: best with shared weights: {', '.join(best) or 'none asked for'}", flush=True)
    proxies = {name: _measure_proxy(setup, name, [*best, *others]) for name in setup.proxies}
    sweep = setup.plans_sweep(best, others)
    begin(sweep)
    status = run([sweep])
    trained_s = float(read_json(folder.path / "measured.json")["training_s"])
    estimators = [_estimator(NAME, shared, before_s=trained_s)]
    estimators += [_estimator(name, scores) for name, scores in proxies.items()]
    estimators += early_estimators(setup, sweep)
    print(ranking_text(estimators, alone=stand_alone(setup, sweep), runs=setup.options.runs, name=setup.name))
    return status


def _train_supernet(setup: OneShotSetup) -> TrialFolder | None:
    """The folder of the trained supernet; None where it could not be trained, which is said."""
    sweep = setup.supernet_sweep
    ((_, trial),) = sweep.trials
    runs = setup.options.runs
    print(f"{sweep.title()}; in {runs}", flush=True)
    status = watch(drive(JobList(sweep.jobs(), runs), setup.options.execution, runs))
    folder = TrialFolder(runs, trial)
    if folder.status() == "finished":
        return folder
    reason = status.given_up.get(trial.key) or read_json(folder.path / "record.json").get("reason")
    print(f"failed: supernet ({trial.key}): {reason}", file=sys.stderr)
    return None


def _score(setup: OneShotSetup, folder: TrialFolder) -> dict[str, Score]:
    """The score of every plan with the shared weights."""
    estimates = shared_estimates(setup.options.runs, folder.trial, pairs=setup.score_pairs)
    progress = _Progress(f"{setup.name}: plans scored with shared weights", len(setup.space.plans()))
    torch.set_num_threads(setup.options.execution.threads)
    return score_plans(
        estimates, setup.supernet, folder.path, setup.dataset, setup.space.plans(), pairs=setup.score_pairs,
        precision=setup.budget.precision, device=torch.device(setup.options.execution.device), on_plan=progress,
    )  # fmt: skip


def _measure_proxy(setup: OneShotSetup, name: str, plans: list[str]) -> dict[str, Score]:
    """The score of the plans that are trained alone by a proxy."""
    settings = {"pairs": PAIRS, "seed": SEED, "dataset": setup.dataset.configuration()}
    estimates, proxy = Estimates(setup.options.runs, name, settings), load_proxy(name)
    methods: Mapping[str, Fusion] = {plan: setup.supernet.alone(plan) for plan in plans}
    progress, scores = _Progress(f"{setup.name}: plans estimated by {name}", len(plans)), {}
    probe = probe_of(setup.supernet.of, setup.dataset, device=torch.device(setup.options.execution.device))
    for plan, method in methods.items():
        probed = replace(probe, method=method)
        scores[plan] = estimates.take(method.configuration(), lambda probed=probed: proxy.measure(probed))  # type: ignore[misc]
        progress(len(scores))
    return scores


def stand_alone(setup: OneShotSetup, sweep: Sweep) -> dict[str, dict[int, float]]:
    """Val Dice after the last step of each plan that was trained alone, by seed; of finished trials alone."""
    found: dict[str, dict[int, float]] = {}
    for arm, trial in sweep.trials:
        folder = TrialFolder(setup.options.runs, trial)
        if arm.group == "plan" and folder.status() == "finished":
            found.setdefault(arm.label, {})[trial.seed] = float(history_of(folder.path)[-1]["val_dice"])
    return found


def early_estimators(setup: OneShotSetup, sweep: Sweep) -> list[Estimator]:
    """The first seed of each plan at a quarter, at half and at the end of its training, as estimates of the others."""
    budget, seed = setup.budget, 0
    scores: dict[str, dict[str, float]] = {name: {} for name in SHARES}
    seconds = dict.fromkeys(SHARES, 0.0)
    for arm, trial in sweep.trials:
        folder = TrialFolder(setup.options.runs, trial)
        if arm.group != "plan" or trial.seed != seed or folder.status() != "finished":
            continue
        history = {int(row["step"]): float(row["val_dice"]) for row in history_of(folder.path)}
        took_s = float(read_json(folder.path / "measured.json").get("training_s") or 0.0)
        for name, share in SHARES.items():
            if (step := round(share * budget.steps)) in history:
                scores[name][arm.label] = history[step]
                seconds[name] += share * took_s
    return [Estimator(name=name, scores=scores[name], seconds=seconds[name], seed=seed) for name in SHARES]


def _estimator(name: str, scores: Mapping[str, Score], *, before_s: float = 0.0) -> Estimator:
    seconds = before_s + sum(score.seconds for score in scores.values())
    return Estimator(name=name, scores={plan: score.value for plan, score in scores.items()}, seconds=seconds)


class _Progress:
    """A line every 15 seconds while there is work, and one at the end."""

    def __init__(self, title: str, total: int) -> None:
        self._title, self._total, self._shown = title, total, time.monotonic()

    def __call__(self, done: int) -> None:
        if done == self._total or time.monotonic() - self._shown > PLAIN_EVERY_S:
            print(f"{self._title}: {done} of {self._total}", flush=True)
            self._shown = time.monotonic()
