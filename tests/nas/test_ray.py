"""The Ray driver: the same files as without it, whoever dies, and a clear word before anything starts."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from fusemorph.configuration import BUDGETS, Trial
from fusemorph.data import open_dataset
from fusemorph.fusion.method import Fusion
from fusemorph.records import TrialFolder
from fusemorph.storage import read_json
from fusemorph.trials import training
from fusemorph.trials.checkpoint import Row
from fusemorph.trials.claims import take_claim
from fusemorph.trials.job import Job
from fusemorph.trials.run import run_job
from nas.jobs import JobList, Status
from nas.ray import run_ray

pytestmark = pytest.mark.usefixtures("no_token")
PLANS = ("early", "autofuse")
METHOD = Fusion(channels=(4, 8, 8, 16, 16))
STORE = 80 * 2**20


def make_job(cache: Path, plan: str, **budget_changes: Any) -> Job:
    dataset = open_dataset("virtual_brains", cache=cache, spacing_mm=8.0, train=4, val=4)
    described = dataset.configuration()
    budget = asdict(replace(BUDGETS["smoke"], **budget_changes))
    trial = Trial(method=replace(METHOD, plan=plan).configuration(), dataset=described, budget=budget, seed=0)
    return Job(trial=trial, data=None, cache=cache, splits=("val",))


def make_long_job(cache: Path) -> Job:
    """A trial that can be seen running, and whose checkpoint is there long before a minute is over."""
    return replace(make_job(cache, "early", steps=40, validations=8), stop=CheckpointsOften())


class CheckpointsOften:
    """Called in the worker after each validation."""

    study = "none"

    def __call__(self, runs: Path, history: Sequence[Row], /) -> None:
        training.CHECKPOINT_EVERY_S = 0.0


@pytest.fixture(scope="module")
def cache(brains_cache: Path) -> Path:
    return brains_cache


@pytest.fixture(scope="module")
def cluster(no_token: None) -> Iterator[Cluster]:
    """One node of two CPUs."""
    head = {"num_cpus": 2, "num_gpus": 0, "include_dashboard": False, "object_store_memory": STORE}
    cluster = Cluster(initialize_head=True, connect=False, head_node_args=head)
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def alone(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same trials, one after the other in this process."""
    runs = tmp_path_factory.mktemp("alone")
    for plan in PLANS:
        run_job(make_job(cache, plan), runs)
    return runs


def determined(runs: Path) -> dict[str, str]:
    """Checksums of what configuration and seed determine, by file."""
    paths = [path for path in runs.rglob("*") if path.is_file() and path.name[0] != "."]
    kept = [path for path in paths if path.name != "measured.json" and not path.name.startswith("claim-")]
    return {str(path.relative_to(runs)): sha256(path.read_bytes()).hexdigest() for path in kept}


def step_of(status: Status, job: Job) -> tuple[int, int]:
    """How far a job is, and the process that has it; zeros where none has."""
    facts = {running.trial.key: facts for running, facts in status.running}.get(job.trial.key, {})
    return int(facts.get("step", 0)), int(facts.get("process", 0))


def drain(statuses: Iterator[Status]) -> Status:
    *_, last = statuses
    return last


def test_each_file_equals_that_of_a_run_without_ray(cache: Path, alone: Path, cluster: Cluster, tmp_path: Path) -> None:
    jobs = [make_job(cache, plan) for plan in PLANS]
    last = drain(run_ray(JobList(jobs, tmp_path), tmp_path, address=cluster.address))
    assert (last.total, last.left, dict(last.given_up)) == (2, 0, {})
    assert not ray.is_initialized()
    assert determined(tmp_path) == determined(alone)
    assert {"record.json", "history.csv", "weights.safetensors"} <= {Path(name).name for name in determined(tmp_path)}
    for folder in (tmp_path / job.trial.key for job in jobs):
        measured, expected = (read_json(at / "measured.json") for at in (folder, alone / folder.name))
        assert {name: measured[name] for name in ("command", "device", "threads")} == {
            name: expected[name] for name in ("command", "device", "threads")
        }


@pytest.mark.slow
@pytest.mark.parametrize("how", ["closed", "interrupted"])
def test_a_run_that_is_stopped_leaves_no_worker(cache: Path, cluster: Cluster, tmp_path: Path, how: str) -> None:
    job = make_job(cache, "early", steps=2000)
    statuses = run_ray(JobList([job], tmp_path), tmp_path, address=cluster.address)
    step, process = 0, 0
    while step < 1:
        step, process = step_of(next(statuses), job)
    if how == "closed":
        statuses.close()
    else:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            next(statuses)
    assert not ray.is_initialized()
    for _ in range(50):
        if not Path(f"/proc/{process}").exists():
            break
        time.sleep(0.1)
    else:
        pytest.fail(f"worker {process} goes on")
    assert TrialFolder(tmp_path, job.trial).status() == "running"


@pytest.mark.slow
def test_a_job_that_another_process_holds_is_asked_after_again(cache: Path, cluster: Cluster, tmp_path: Path) -> None:
    held, free = make_job(cache, "early"), make_job(cache, "late")
    claim = take_claim(tmp_path / held.trial.key)
    assert claim is not None
    with claim:
        statuses = run_ray(JobList([held, free], tmp_path), tmp_path, address=cluster.address)
        while next(statuses).left > 1:
            pass
        assert TrialFolder(tmp_path, held.trial).status() is None
    assert drain(statuses).left == 0
    assert TrialFolder(tmp_path, held.trial).status() == "finished"


def test_what_is_no_fault_of_a_trial_leaves_it_open_with_a_reason(
    cache: Path, cluster: Cluster, tmp_path: Path
) -> None:
    job = make_job(cache, "early")
    other = replace(job, trial=replace(job.trial, dataset=job.trial.dataset | {"fingerprint": "of other files"}))
    last = drain(run_ray(JobList([other], tmp_path), tmp_path, address=cluster.address))
    assert "DataError" in last.given_up[other.trial.key]
    assert "have changed" in last.given_up[other.trial.key]
    assert TrialFolder(tmp_path, other.trial).status() is None


@pytest.mark.parametrize(
    ("amounts", "message"),
    [
        ({"cpus_per_trial": 3}, "needs 3 CPUs and 0 GPUs on one node; there are 2 CPUs and 0 GPUs"),
        ({"gpus_per_trial": 0.5}, "needs 1 CPUs and 0.5 GPUs"),
        ({"cpus_per_trial": 0}, "'cpus_per_trial' must be above 0"),
        ({"gpus_per_trial": 1.5}, "'gpus_per_trial' must be 0 or more, and a whole number if above 1, got 1.5"),
    ],
)
def test_more_than_a_node_has_is_refused_at_once(
    cluster: Cluster, tmp_path: Path, amounts: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run_ray(JobList([], tmp_path), tmp_path, address=cluster.address, **amounts)
    assert not ray.is_initialized()


def test_a_cluster_that_grows_may_bring_what_is_missing(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    launched = {"head": {"resources": {"CPU": 2}}, "worker": {"resources": {"CPU": 8, "GPU": 1}}}
    (tmp_path / "ray_bootstrap_config.yaml").write_text(json.dumps({"available_node_types": launched}))
    with pytest.raises(ValueError, match="2 GPUs"):
        run_ray(JobList([], tmp_path), tmp_path, address=cluster.address, gpus_per_trial=2)
    statuses = run_ray(JobList([], tmp_path), tmp_path, address=cluster.address, gpus_per_trial=1)
    statuses.close()
    assert not ray.is_initialized()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:9", "Connection refused"),
        ("nonsense", "Invalid address format: nonsense"),
        ("ray://127.0.0.1:10001", "must be that of a head"),
    ],
)
def test_no_cluster_at_the_address_is_said_at_once(tmp_path: Path, address: str, message: str) -> None:
    began = time.monotonic()
    with pytest.raises(ValueError, match=f"no cluster at 'address' '{address}': .*{message}"):
        run_ray(JobList([], tmp_path), tmp_path, address=address)
    assert time.monotonic() - began < 15


@pytest.mark.slow
def test_something_else_at_the_address_is_not_waited_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ValueError, match="none answers within 20 s"):
            run_ray(JobList([], tmp_path), tmp_path, address=address)


@pytest.mark.slow
def test_a_trial_of_a_lost_node_goes_on_at_another(cache: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    job = make_long_job(cache)
    run_job(replace(job, stop=None), whole)
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE}
    cluster = Cluster(initialize_head=True, connect=False, head_node_args=head)
    try:
        doomed = cluster.add_node(num_cpus=1, object_store_memory=STORE)
        lost = False
        for status in run_ray(JobList([job], broken), broken, address=cluster.address):
            step, _ = step_of(status, job)
            if step >= 7 and not lost:
                cluster.remove_node(doomed, allow_graceful=False)
                cluster.add_node(num_cpus=1, object_store_memory=STORE)
                lost = True
    finally:
        cluster.shutdown()
    assert lost
    assert status.left == 0
    assert read_json(broken / job.trial.key / "measured.json")["resumed_at"] > 0
    assert determined(broken) == determined(whole)
