"""The Ray executor: Ray Tune hands the jobs to processes of this machine or of a cluster, one Tune trial per job.

What counts is on the storage that all nodes share: records, claims and checkpoints. Tune's own state lies in a
temporary folder and is never restored, so whatever dies, the same call again goes on from the records. A job whose
worker has died is given again, as a new trial of Tune.
"""

import gc
import random
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import ray
import torch
from ray import cloudpickle, tune
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayActorError, RayTaskError, WorkerCrashedError
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.search import Searcher as TuneSearcher

from fusemorph.storage import StorageError
from fusemorph.trials.interruption import Interruption
from fusemorph.trials.job import Job
from nas.dispatch import Death, Dispatcher
from nas.jobs import JobQueue, Report, Status, do_job
from nas.ray_cluster import CONNECT_S, connect

POLL_S = 1.0
KILLED = (RayActorError, OutOfMemoryError, NodeDiedError, WorkerCrashedError)


def run_ray(
    queue: JobQueue, runs: Path, *, address: str | None = None, cpus_per_trial: float = 1, gpus_per_trial: float = 0
) -> Generator[Status]:
    """Run the queue's jobs on Ray; yields the status at least every second until all have ended.

    ``address``: of a running cluster, or ``auto`` for the one that this machine belongs to; None starts Ray here.
    A trial has a torch thread per CPU, and runs on ``cuda`` if it is given GPUs, of which it may have a fraction;
    several share its batches.
    Connects at once; the first status starts the trials; closing the iterator stops them. The queue is called by
    another thread, but never while the caller looks at a status.

    Raises:
        ValueError: impossible resources, no cluster at the address, no node that is large enough; nothing has started.
        StorageError: a worker could not write; everything written before is there.
        WorkersDied: workers die before they take a job.
    """
    connect(address, cpus_per_trial=cpus_per_trial, gpus_per_trial=gpus_per_trial)
    runs = runs.absolute()
    session = _Session(dispatcher=Dispatcher(queue=queue, runs=runs), runs=runs)
    statuses = _drive(session, cpus_per_trial, gpus_per_trial)
    next(statuses)  # from here on closing it disconnects
    return statuses


class _Stopped(BaseException):
    """Ends Tune's loop where it stands. No ``Exception``, for which Tune has plans of its own."""


@dataclass(kw_only=True)
class _Session:
    """What Tune's thread and the caller's share.

    ``lock`` is held by the caller while it looks at a status, so that the queue does not change under its eyes.
    ``stopped`` is the caller's word that it wants no more; ``ended`` says that Tune has come to its end, by ``error``
    if there is one, which the caller raises.
    """

    dispatcher: Dispatcher
    runs: Path
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: bool = False
    ended: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles whatever it is given, for a restore that is never made

    @contextmanager
    def dispatching(self) -> Iterator[Dispatcher]:
        """The dispatcher, for each call of Tune's; an error is kept for the caller instead of shown to Tune.

        Raises:
            _Stopped: the caller wants no more, or there was an error.
        """
        with self.lock:
            try:
                if self.stopped:
                    raise _Stopped
                yield self.dispatcher
            except Exception as error:
                self.error = error
                raise _Stopped from error


def _drive(session: _Session, cpus: float, gpus: float) -> Generator[Status]:
    with tempfile.TemporaryDirectory(prefix="fusemorph-ray-", ignore_cleanup_errors=True) as scratch:
        thread = threading.Thread(target=_tune, args=(session, cpus, gpus, scratch), daemon=True)
        try:
            yield session.dispatcher.status()
            thread.start()
            while not session.ended.wait(POLL_S):  # join() takes the thread for ended once Ctrl-C has interrupted it
                with session.lock:
                    yield session.dispatcher.status()
            if session.error is not None:
                raise session.error
            yield session.dispatcher.status()
        finally:
            session.stopped = True
            if thread.ident is not None:
                session.ended.wait(CONNECT_S)
            ray.shutdown()


def _tune(session: _Session, cpus: float, gpus: float, scratch: str) -> None:
    """Let Tune run until no job can come any more, or until it is stopped."""
    search = _Search(session, threads=max(1, int(cpus)), gpus=gpus)
    tuning = tune.TuneConfig(
        search_alg=search, num_samples=-1, reuse_actors=True, trial_dirname_creator=lambda trial: trial.trial_id
    )
    running = tune.RunConfig(
        name="tune", storage_path=scratch, verbose=0, callbacks=[_Events(session)],
        checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
    )  # fmt: skip
    trainable = tune.with_resources(_Worker, {"cpu": cpus, "gpu": gpus})
    try:
        tune.Tuner(trainable, tune_config=tuning, run_config=running).fit()
    except _Stopped:
        pass
    except Exception as error:
        session.error = error
    finally:
        session.ended.set()


class _Search(TuneSearcher):
    """Tune asks here for its next trial, and tells of each that has ended well."""

    def __init__(self, session: _Session, *, threads: int, gpus: float) -> None:
        super().__init__()
        self.session = session
        self.threads = threads
        self.gpus = gpus

    def suggest(self, trial_id: str) -> Any:
        with self.session.dispatching() as dispatcher:
            job = dispatcher.assign(trial_id)
            if job is None:
                return self.FINISHED if dispatcher.over else None
            return {"job": self._place(job), "runs": self.session.runs, "command": sys.argv}

    def _place(self, job: Job) -> Job:
        """The job with the threads and the device of a worker; without GPUs Ray hides those that a node has."""
        device = "cuda" if self.gpus else "cpu" if job.device.startswith("cuda") else job.device
        devices = max(1, int(self.gpus))
        return replace(job, threads=max(1, self.threads // devices), device=device, devices=devices)

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:
        if not error:  # _Events hears of errors, and of their reason
            with self.session.dispatching() as dispatcher:
                dispatcher.report(trial_id, result["report"] if result else Report())

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the records say it all."""


class _Events(tune.Callback):
    """Tune tells here of every step of its loop, and of each trial that has lost its worker."""

    def __init__(self, session: _Session) -> None:
        self.session = session

    def on_step_begin(self, iteration: int, trials: list[TuneTrial], **info: Any) -> None:
        if self.session.stopped:
            raise _Stopped

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        with self.session.dispatching() as dispatcher:
            error = _error_of(trial)
            if isinstance(error, StorageError):
                raise error
            preempted = isinstance(error, RayActorError) and error.preempted
            death = Death(reason=_reason(error), killed=isinstance(error, KILLED), blamed=not preempted)
            dispatcher.worker_died(trial.trial_id, death)


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
        report = do_job(self.config["job"], self.config["runs"], interruption=Interruption())
        return {"report": report, "done": True}


def _forget() -> None:
    """Leave nothing of the job before: random state and memory; threads and device come with the next."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the state that libraries might draw from
    torch.manual_seed(0)
    gc.collect()
    torch.cuda.empty_cache()
