"""What the study of a supernet would do, and how long it takes: the answer to --dry-run."""

import numpy as np
import torch

from experiments.runner.drivers import worker_count
from experiments.runner.dry_run import seconds_per_flop
from experiments.runner.estimation import proxy_seconds
from experiments.runner.oneshot_setup import OneShotSetup
from experiments.runner.progress import clock
from fusemorph.complexity import count_flops
from fusemorph.networks.padding import padded_shape
from nas.jobs import JobList
from nas.shared_weights import shared_estimates

COUNTED = 20
"""Plans whose FLOPs are counted for the mean over a space: each takes a second."""
FORWARD_SHARE = 1 / 3
"""Of a training step, what its forward pass takes."""


def describe_oneshot(setup: OneShotSetup) -> str:
    """Plans, steps and hours of each part, and whether the supernet is there already."""
    execution, price = setup.options.execution, setup.options.search.price
    shape, plans = padded_shape(setup.dataset.shape), setup.space.plans()
    some = [plans[i] for i in np.unique(np.linspace(0, len(plans) - 1, COUNTED).round().astype(int))]
    pace = seconds_per_flop(setup.supernet.of, setup.budget, setup.dataset, execution)
    step_s = pace * float(np.mean([count_flops(setup.supernet.alone(plan), shape) for plan in some]))
    alone = setup.best + setup.sample
    trained = JobList(setup.supernet_sweep.jobs(), setup.options.runs).left == 0
    supernet_s = 0.0 if trained else step_s * setup.supernet_budget.steps
    left = _unscored(setup)
    score_s = left * setup.score_pairs * step_s * FORWARD_SHARE
    device = torch.device(execution.device)
    proxies_s = sum(
        proxy_seconds(name, setup.supernet.of, setup.dataset.shape, device=device) for name in setup.proxies
    )
    networks = alone + setup.best * setup.fine_tunes
    alone_s = step_s * setup.budget.steps * networks * setup.seeds
    hours = (supernet_s + score_s + proxies_s * alone + alone_s) / 3600
    cost = f", {hours * price:.2f} at {price:g} an hour" if price else ""
    tuned = f", the best {setup.best} of them also from the shared weights" if setup.fine_tunes else ""
    wait = supernet_s + score_s + proxies_s * alone + alone_s / worker_count(execution)
    return "\n".join(
        [
            f"{setup.name}: {len(plans)} plans of the space {setup.space_name}, on {setup.dataset.title}",
            f"supernet: {setup.supernet_budget.steps} steps, {setup.supernet.draw} draws, "
            + ("trained already" if trained else f"about {clock(supernet_s)}"),
            f"scores: {left} plans on {setup.score_pairs} val pairs, about {clock(score_s)}",
            f"proxies: {', '.join(setup.proxies)} of {alone} plans, about {clock(proxies_s * alone)}",
            f"alone: {alone} plans x {setup.seeds} seeds, {setup.budget.steps} steps each, the best {setup.best} and "
            f"{setup.sample} others{tuned}: at most {clock(alone_s)}; trials of other studies are used again",
            f"at most {hours:.2f} {'core' if execution.device == 'cpu' else 'GPU'}-hours in all{cost}; about "
            f"{clock(wait)} with {worker_count(execution)} workers",
        ]
    )


def _unscored(setup: OneShotSetup) -> int:
    ((_, trial),) = setup.supernet_sweep.trials
    estimates = shared_estimates(setup.options.runs, trial, pairs=setup.score_pairs)
    return estimates.missing(setup.supernet.alone(plan).configuration() for plan in setup.space.plans())
