"""Running one trial from its configuration to its files: train, evaluate, record. What every driver calls."""

import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn

from fusemorph import __version__
from fusemorph.configuration import Budget, Json, Trial
from fusemorph.cost import count_cost
from fusemorph.data import open_dataset
from fusemorph.data.dataset import Dataset
from fusemorph.evaluation import evaluate
from fusemorph.ledger import Claim, take_claim
from fusemorph.method import Method, load_method
from fusemorph.networks.padding import padded_shape
from fusemorph.records import TrialFolder, read_record
from fusemorph.training import TrainingFailed, train


@dataclass(frozen=True, kw_only=True)
class Job:
    """A trial with what a machine needs to run it: where the data lie, what to evaluate, with how many threads."""

    trial: Trial
    data: Path | None
    cache: Path | None
    splits: tuple[str, ...]
    threads: int = 1
    device: str = "cpu"

    def open_dataset(self) -> Dataset:
        """The trial's dataset; its settings are those of the configuration."""
        settings = {k: v for k, v in self.trial.dataset.items() if k not in ("name", "fingerprint")}
        return open_dataset(self.trial.dataset["name"], self.data, cache=self.cache, **settings)


def run_job(job: Job, runs: Path) -> str | None:
    """Do what is missing of a trial and return its status; None where another process is at it.

    A finished trial is only evaluated on splits that lack it. A trial that cannot be trained or evaluated ends as
    ``failed`` with its reason; interruption and lack of space leave it to be continued.
    """
    folder = TrialFolder(runs, job.trial)
    if not is_missing(job, runs):
        return folder.status()
    claim = take_claim(folder.path)
    if claim is None:
        return None
    torch.set_num_threads(job.threads)
    with claim:
        started = datetime.now(UTC)
        dataset, method = job.open_dataset(), load_method(job.trial.method)
        try:
            if folder.status() in (None, "running"):
                _train(job, folder, method, dataset, claim=claim, started=started)
            if folder.status() == "finished":
                _evaluate(job, folder, method, dataset, claim=claim)
        except (TrainingFailed, ValueError, RuntimeError, MemoryError) as error:
            if folder.status() in (None, "running"):
                reason = str(error) if isinstance(error, TrainingFailed) else f"{type(error).__name__}: {error}"
                folder.fail(reason, {}, measured=_machine(job, started=started))
            else:
                raise
        return folder.status()


def is_missing(job: Job, runs: Path) -> bool:
    """Whether a trial or one of its evaluations is still to be done."""
    folder = TrialFolder(runs, job.trial)
    status = folder.status()
    if status in ("failed", "pruned"):
        return False
    return status != "finished" or not all(folder.evaluated(split) for split in job.splits)


def _train(job: Job, folder: TrialFolder, method: Method, dataset: Dataset, *, claim: Claim, started: datetime) -> None:
    facts = describe(method, dataset)
    folder.begin(facts)
    if job.trial.budget is None:
        folder.finish(facts | {"step": 0}, measured=_machine(job, started=started))
        return
    budget = Budget(**job.trial.budget)

    def on_step(step: int, terms: Mapping[str, float]) -> None:
        claim.note(step=step, of=budget.steps, loss=terms["loss"])
        if step % 20 == 0 and not claim.in_force():
            raise KeyboardInterrupt(f"{folder.path} was taken over by another process")

    began = time.monotonic()
    trained = train(
        method, dataset, budget, job.trial.seed,
        device=torch.device(job.device), checkpoint=folder.checkpoint, on_step=on_step,
    )  # fmt: skip
    measured = _machine(job, started=started) | {
        "training_s": time.monotonic() - began,
        "step_s": statistics.median(trained.step_s) if trained.step_s else None,
        "resumed_at": trained.resumed_at,
    }
    weights = save({name: tensor.cpu().contiguous() for name, tensor in trained.network.state_dict().items()})
    facts |= {"step": budget.steps}
    folder.finish(facts, history=trained.history, gates=trained.gates, weights=weights, measured=measured)


def _evaluate(job: Job, folder: TrialFolder, method: Method, dataset: Dataset, *, claim: Claim) -> None:
    device = torch.device(job.device)
    network = load_network(folder.path, method, len(dataset.shape))
    if network is not None:
        network.to(device)
    for split in job.splits:
        if not folder.evaluated(split):
            claim.note(evaluating=split)
            files = evaluate(
                method, network, dataset, split,
                device=device, on_pair=lambda done, count: claim.note(pair=done, pairs=count),
            )  # fmt: skip
            folder.write_evaluation(split, files)


def describe(method: Method, dataset: Dataset) -> Json:
    """Facts that the configuration determines: grid of the images, canonical plan, parameters, FLOPs when padded."""
    parameters, flops = count_cost(method, padded_shape(dataset.shape))
    grid = {"shape": list(dataset.shape), "spacing_mm": list(dataset.spacing_mm)}
    return grid | {"plan": getattr(method, "plan", None), "parameters": parameters, "flops": flops}


def load_network(folder: Path, method: Method, dims: int) -> nn.Module | None:
    """The trained network of a run folder, or None for a method without one.

    Raises:
        ValueError: the weights are missing, damaged, or do not fit; the message names the file.
    """
    network = method.network(dims)
    if network is None:
        return None
    path = folder / "weights.safetensors"
    try:
        network.load_state_dict(load_file(path))
    except Exception as error:
        raise ValueError(f"load_network(): weights {path} do not fit the method {method.name!r}: {error}") from error
    return network.eval()


def load_trial(folder: Path) -> tuple[Method, nn.Module | None, Json]:
    """Method, trained network and record of a finished trial.

    Raises:
        ValueError: no finished record there, another version, or weights that do not fit.
    """
    record = read_record(folder)
    if record["status"] != "finished":
        raise ValueError(f"load_trial(): {folder} must hold a finished trial, it is {record['status']}")
    method = load_method(record["configuration"]["method"])
    return method, load_network(folder, method, len(record["shape"])), record


def _machine(job: Job, *, started: datetime) -> dict[str, Any]:
    """Where and with what a trial ran."""
    packages = ("torch", "numpy", "scipy", "nibabel")
    return {
        "started": started.isoformat(timespec="seconds"),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "threads": job.threads,
        "device": torch.cuda.get_device_name() if job.device.startswith("cuda") else "cpu",
        "host_cpu": _cpu_name(),
        "python": platform.python_version(),
        "versions": {"fusemorph": __version__} | {package: version(package) for package in packages},
        "commit": _commit(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "cores": os.cpu_count(),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _commit() -> str | None:
    """The commit of the checkout with ``+`` for uncommitted changes, or None outside a checkout."""
    here = Path(__file__).parent
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
        dirty = subprocess.run(
            ["git", "status", "--porcelain", "-uno"], cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")
