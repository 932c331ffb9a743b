"""The Ray driver: Ray Tune hands the jobs to processes of this machine or of a cluster, one Tune trial per job.

What counts is on the storage that all nodes share: records, claims and checkpoints. Tune's own state lies in a
temporary folder and is never restored, so whatever dies, the same call again goes on from the records. A job whose
worker has died is given again, as a new trial of Tune.
"""

import gc
import logging
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import ray
import torch
import yaml
from ray import cloudpickle, tune
from ray.exceptions import RayActorError, RayTaskError
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.search import Searcher as TuneSearcher

from fusemorph.records import StorageError
from fusemorph.trials.run import Job, run_job
from nas.dispatch import Dispatcher, Stopped
from nas.jobs import JobQueue, Status
from nas.parameter import Parameter, Range
from nas.space import Space

POLL_S = 1.0
CONNECT_S = 20.0
OBJECT_STORE_BYTES = 100 * 2**20  # nothing large goes through it
QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "inf",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}
"""What Tune takes from the environment alone: no files per trial, no snapshots of its state, no tables and traces."""
TRY = """
import ray, sys
try:
    ray.init(sys.argv[1], log_to_driver=False)
except Exception as error:
    print(error)
    sys.exit(1)
"""


def run_ray(
    queue: JobQueue, runs: Path, *, address: str | None = None, cpus_per_trial: float = 1, gpus_per_trial: float = 0
) -> Iterator[Status]:
    """Run the queue's jobs on Ray; yields the status at least every second until all have ended.

    ``address``: of a running cluster, or ``auto`` for the one that this machine belongs to; None starts Ray here.
    A trial has a torch thread per CPU, and runs on ``cuda`` if it is given GPUs, of which it may have a fraction.
    Connects at once; the first status starts the trials; closing the iterator stops them. The queue is called by
    another thread, but never while the caller looks at a status.

    Raises:
        ValueError: impossible resources, no cluster at the address, no node that is large enough; nothing has started.
        StorageError: a worker could not write; everything written before is there.
        RecordError: a trial's folder cannot be read, or was made by another version.
        WorkersDied: workers die before they take a job.
    """
    _check_amounts(cpus_per_trial, gpus_per_trial)
    _connect(address)
    try:
        _require_room(cpus_per_trial, gpus_per_trial)
    except ValueError:
        ray.shutdown()
        raise
    statuses = _drive(Dispatcher(queue=queue, runs=runs.absolute()), cpus_per_trial, gpus_per_trial)
    next(statuses)  # from here on closing it disconnects
    return statuses


def _drive(dispatcher: Dispatcher, cpus: float, gpus: float) -> Iterator[Status]:
    with tempfile.TemporaryDirectory(prefix="fusemorph-ray-", ignore_cleanup_errors=True) as scratch:
        thread = threading.Thread(target=_tune, args=(dispatcher, cpus, gpus, scratch), daemon=True)
        try:
            yield dispatcher.status()
            thread.start()
            while not dispatcher.ended.wait(POLL_S):  # join() takes the thread for ended once Ctrl-C has interrupted it
                with dispatcher.lock:
                    yield dispatcher.status()
            if dispatcher.error is not None:
                raise dispatcher.error
            yield dispatcher.status()
        finally:
            dispatcher.stopped = True
            if thread.ident is not None:
                dispatcher.ended.wait(CONNECT_S)
            ray.shutdown()


def _tune(dispatcher: Dispatcher, cpus: float, gpus: float, scratch: str) -> None:
    """Let Tune run until no job can come any more, or until it is stopped."""
    search = _Search(dispatcher, threads=max(1, int(cpus)), gpu=gpus > 0)
    tuning = tune.TuneConfig(
        search_alg=search, num_samples=-1, reuse_actors=True, trial_dirname_creator=lambda trial: trial.trial_id
    )
    running = tune.RunConfig(
        name="tune", storage_path=scratch, verbose=0, callbacks=[_Events(dispatcher)],
        checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
    )  # fmt: skip
    trainable = tune.with_resources(_Worker, {"cpu": cpus, "gpu": gpus})
    try:
        tune.Tuner(trainable, tune_config=tuning, run_config=running).fit()
    except Stopped:
        pass
    except Exception as error:
        dispatcher.error = error
    finally:
        dispatcher.ended.set()


class _Search(TuneSearcher):
    """Tune asks here for its next trial, and tells of each that has ended well."""

    def __init__(self, dispatcher: Dispatcher, *, threads: int, gpu: bool) -> None:
        super().__init__()
        self.dispatcher = dispatcher
        self.threads = threads
        self.gpu = gpu

    def suggest(self, trial_id: str) -> Any:
        with self.dispatcher.serving():
            job = self.dispatcher.assign(trial_id)
            if job is None:
                return self.FINISHED if self.dispatcher.over else None
            return {"job": self._place(job), "runs": self.dispatcher.runs, "command": sys.argv}

    def _place(self, job: Job) -> Job:
        """The job with the threads and the device of a worker; without GPUs Ray hides those that a node has."""
        device = "cuda" if self.gpu else "cpu" if job.device.startswith("cuda") else job.device
        return replace(job, threads=self.threads, device=device)

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:
        if not error:  # _Events hears of errors, and of their reason
            with self.dispatcher.serving():
                self.dispatcher.complete(trial_id, result["status"] if result else None)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the records say it all."""


class _Events(tune.Callback):
    """Tune tells here of every step of its loop, and of each trial that has lost its worker."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher

    def on_step_begin(self, iteration: int, trials: list[TuneTrial], **info: Any) -> None:
        if self.dispatcher.stopped:
            raise Stopped

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        with self.dispatcher.serving():
            error = _error_of(trial)
            if isinstance(error, StorageError):
                raise error
            preempted = isinstance(error, RayActorError) and error.preempted
            self.dispatcher.worker_died(trial.trial_id, _reason(error), blamed=not preempted)


def _error_of(trial: TuneTrial) -> BaseException | None:
    """What was raised in a worker, or Ray's word on how it died."""
    path = trial.pickled_error_file
    error = cloudpickle.loads(Path(path).read_bytes()) if path else None
    return error.cause if isinstance(error, RayTaskError) else error


def _reason(error: BaseException | None) -> str:
    """An error in one line; of Ray's page on a death, the part that says why."""
    text = str(error).rpartition("actor is dead because ")[2] if isinstance(error, RayActorError) else str(error)
    return shorten(f"{type(error).__name__}: {text}", 300)


class _Worker(tune.Trainable):
    """A process that runs one job after the other. An error ends it, since the job's claim stays until it has gone."""

    def setup(self, config: Mapping[str, Any]) -> None:
        gc.freeze()  # or else each collection below would go through all that was imported, a tenth of a second

    def reset_config(self, new_config: Mapping[str, Any]) -> bool:
        return True

    def step(self) -> dict[str, Any]:
        _forget()
        sys.argv = self.config["command"]  # what the records name, instead of Ray's with addresses and paths
        return {"status": run_job(self.config["job"], self.config["runs"]), "done": True}


def _forget() -> None:
    """Leave nothing of the job before: random state and memory; threads and device come with the next."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the state that libraries might draw from
    torch.manual_seed(0)
    gc.collect()
    torch.cuda.empty_cache()


def _check_amounts(cpus: float, gpus: float) -> None:
    for name, amount, least in (("cpus_per_trial", cpus, "above 0"), ("gpus_per_trial", gpus, "0 or more")):
        if amount < 0 or (amount == 0 and name == "cpus_per_trial") or (amount > 1 and amount != int(amount)):
            raise ValueError(f"run_ray(): '{name}' must be {least}, and whole beyond 1, got {amount:g}")


def _connect(address: str | None) -> None:
    """Start Ray here, or join the cluster at an address.

    Raises:
        ValueError: this process is connected already, or no cluster answers there.
    """
    if ray.is_initialized():
        raise ValueError("run_ray(): this process is connected to Ray already; call ray.shutdown() first")
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if address is not None:
        _require_cluster(address)
    ray.init(
        address or "local",
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES if address is None else None,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    logging.getLogger("ray.tune.tune").setLevel(logging.CRITICAL)  # it would list the trials that were given again


def _require_cluster(address: str) -> None:
    """Try to connect, in a process of its own: where nothing answers Ray tries for minutes, and cannot be interrupted.

    Raises:
        ValueError: it cannot be done; the message says why.
    """
    host, _, port = address.rpartition(":")
    try:
        if address.startswith("ray://"):
            raise ValueError("must be that of a head, host:port, or auto")
        if host:
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
        tried = subprocess.run(
            [sys.executable, "-c", TRY, address], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            timeout=CONNECT_S, check=False,
        )  # fmt: skip
        if tried.returncode:
            raise ValueError(" ".join(tried.stdout.split()))
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        slow = isinstance(error, subprocess.TimeoutExpired)
        said = f"none answers within {CONNECT_S:.0f} s" if slow else str(error)
        raise ValueError(f"run_ray(): no cluster at 'address' {address!r}: {said}") from error


def _require_room(cpus: float, gpus: float) -> None:
    """Refuse what no node could ever run, since Ray would wait for one without end.

    Raises:
        ValueError: no node is large enough, nor any that may still come.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in (*nodes, *_expected_nodes())):
        got = ", ".join(sorted({f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes}))
        raise ValueError(f"run_ray(): a trial needs {cpus:g} CPUs and {gpus:g} GPUs on one node; there are {got}")


def _expected_nodes() -> Iterator[Mapping[str, float]]:
    """Resources of nodes that may still come, by the file that ``ray up`` leaves on a cluster's head."""
    path = Path.home() / "ray_bootstrap_config.yaml"
    if path.exists():
        for kind in yaml.safe_load(path.read_text(encoding="utf-8"))["available_node_types"].values():
            yield kind.get("resources") or {"CPU": float("inf"), "GPU": float("inf")}  # known when it has come


def tune_parameters(space: Space) -> dict[str, Any]:
    """A space in Ray Tune's terms, for a Tuner of one's own: every parameter, whether it counts or not.

    ``space.walk(lambda parameter: drawn[parameter.name])`` makes a point of what such a Tuner draws.
    """

    def domain(parameter: Parameter) -> Any:
        if not isinstance(parameter, Range):
            return tune.choice(list(parameter.values))
        return (tune.loguniform if parameter.log else tune.uniform)(parameter.low, parameter.high)

    return {parameter.name: domain(parameter) for parameter in space.every_parameter()}
