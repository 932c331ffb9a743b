"""Plans scored with the weights of a trained supernet, none of them trained itself."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from fusemorph.configuration import Trial
from fusemorph.data.dataset import Dataset
from fusemorph.fusion.supernet_network import SupernetNetwork
from fusemorph.precision import Precision
from fusemorph.trials.load import load_network
from fusemorph.trials.validation import validate
from nas.estimates import Estimates, Score
from nas.supernet import Supernet

NAME = "supernet"


def shared_estimates(runs: Path, trial: Trial, *, pairs: int) -> Estimates:
    """The scores by the supernet of a trial: mean val Dice of so many pairs, as a training validates."""
    return Estimates(runs, NAME, {"supernet": trial.configuration(), "pairs": pairs, "dataset": trial.dataset})


def score_plans(
    estimates: Estimates,
    supernet: Supernet,
    folder: Path,
    dataset: Dataset,
    plans: Sequence[str],
    *,
    pairs: int,
    precision: Precision,
    device: torch.device,
    on_plan: Callable[[int], None] = lambda done: None,
) -> dict[str, Score]:
    """The score of each plan, measured where it is not there yet; ``folder`` is that of the supernet's trial.

    ``on_plan`` is told after each plan how many there are.

    Raises:
        RecordError: the weights, or a score, cannot be read; the message names the file.
        StorageError: a score could not be written.
    """
    methods = {plan: supernet.alone(plan).configuration() for plan in plans}
    network = None
    if estimates.missing(methods.values()):
        loaded = load_network(folder, supernet, len(dataset.shape))
        assert isinstance(loaded, SupernetNetwork)
        network = loaded.to(device)

    def measure(plan: str) -> float:
        assert network is not None
        alone = network.subnetwork(plan)
        return validate(alone, dataset, count=pairs, precision=precision, device=device).dice

    scores = {}
    for plan, method in methods.items():
        scores[plan] = estimates.take(method, lambda plan=plan: measure(plan))  # type: ignore[misc]
        on_plan(len(scores))
    return scores
