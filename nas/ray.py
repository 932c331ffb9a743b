"""The Ray driver: Ray Tune hands the jobs to processes of this machine or of a cluster, one Tune trial per job.

What counts is on the storage that all nodes share: records, claims and checkpoints. Tune's own state lies in a
temporary folder and is never restored, so whatever dies, the same call again goes on from the records. A job whose
worker has died or whose folder another sweep holds is simply given again, as a new Tune trial.
"""

import gc
import logging
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import ray
import torch
from ray import cloudpickle, tune
from ray.exceptions import RayActorError, RayTaskError
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.search import Searcher as TuneSearcher

from fusemorph.ledger import holder
from fusemorph.records import StorageError
from fusemorph.trial import Job, run_job
from nas.feed import Feed, Status
from nas.inline import WorkersDied
from nas.space import Choice, Space

POLL_S = 1.0
CONNECT_S = 20.0
PATIENCE_S = 3.0
LONGEST_PATIENCE_S = 60.0
DEATHS_FORGIVEN = 2
OBJECT_STORE_BYTES = 100 * 2**20

T = TypeVar("T")


def run_ray(
    feed: Feed, runs: Path, *, address: str | None = None, cpus_per_trial: float = 1, gpus_per_trial: float = 0
) -> Iterator[Status]:
    """Run the feed's jobs on Ray; yields the status every second until all have ended.

    ``address``: of a running cluster, or ``auto`` for the one that this machine belongs to; None starts Ray here.
    A trial has as many torch threads as CPUs, and runs on ``cuda`` where it is given GPUs, which may be a fraction.
    Connects at once; the first status starts the trials, closing the iterator stops them. The feed is called from
    another thread, but never between a status and the request for the next.

    Raises:
        ValueError: impossible resources, no cluster at the address, no node that is large enough; nothing has started.
        StorageError: a worker could not write; everything written before is there.
        WorkersDied: workers die before they take a job.
    """
    _check_resources(cpus_per_trial, gpus_per_trial)
    _connect(address)
    try:
        _require_room(cpus_per_trial, gpus_per_trial)
    except ValueError:
        ray.shutdown()
        raise
    dealer = _Dealer(feed=feed, runs=runs.absolute(), threads=max(1, int(cpus_per_trial)), gpu=gpus_per_trial > 0)
    return _drive(dealer, tune.with_resources(_Worker, {"cpu": cpus_per_trial, "gpu": gpus_per_trial}))


def _drive(dealer: "_Dealer", trainable: Any) -> Iterator[Status]:
    with tempfile.TemporaryDirectory(prefix="fusemorph-ray-", ignore_cleanup_errors=True) as scratch:
        thread = threading.Thread(target=_tune, args=(dealer, trainable, scratch), daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                with dealer.lock:
                    yield dealer.status()
                thread.join(POLL_S)
            if dealer.error is not None:
                raise dealer.error
            yield dealer.status()
        finally:
            dealer.stopped = True
            thread.join()
            ray.shutdown()


def _tune(dealer: "_Dealer", trainable: Any, scratch: str) -> None:
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=_Suggestions(dealer), num_samples=-1, reuse_actors=True, trial_dirname_creator=_name
        ),
        run_config=tune.RunConfig(
            name="tune", storage_path=scratch, verbose=0, callbacks=[_Events(dealer)],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )  # fmt: skip
    try:
        tuner.fit()
    except _Stopped:
        pass
    except Exception as error:
        dealer.error = error
