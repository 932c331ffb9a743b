"""What every driver does when a worker is killed, the storage is full, or somebody presses Ctrl-C.

``optuna`` is the inline executor with a search as its queue, by Optuna.
"""

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest

from fusemorph.configuration import BUDGETS, Trial
from fusemorph.data import open_dataset
from fusemorph.fusion.method import Fusion
from fusemorph.records import GIVEN_UP, TrialFolder
from fusemorph.storage import StorageError, read_json
from fusemorph.trials import training
from fusemorph.trials.checkpoint import Row
from fusemorph.trials.claims import holder
from fusemorph.trials.job import Job
from fusemorph.trials.run import run_job
from nas.dispatch import ATTEMPTS
from nas.inline import run_inline
from nas.jobs import JobList, JobQueue, Status
from nas.objectives import find_objectives
from nas.optuna import OptunaSearcher
from nas.ray import run_ray
from nas.search import Search
from nas.search_plan import Candidate, SearchPlan
from nas.space import Choice, Space, Values

pytestmark = pytest.mark.usefixtures("no_token")
OTHERS = ("optuna", "ray")
METHOD = Fusion(channels=(4, 8, 8, 16, 16), plan="late")
SPACE = Space(METHOD.configuration(), "", (Choice("loss.window", (7, 9)),))
LONG = 5000


@dataclass(frozen=True)
class KillsItsWorker:
    """Kills the worker at step 4, out of the blue, so many times: each leaves a file. There are checkpoints by then."""

    times: int
    study: str = "none"

    def __call__(self, runs: Path, history: Sequence[Row], /) -> None:
        training.CHECKPOINT_EVERY_S = 0.0
        done = len(list(runs.glob("killed-*")))
        if history[-1]["step"] == 4 and done < self.times:
            (runs / f"killed-{done}").touch()
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class FillsTheStorage:
    """From the first validation on, the worker can write no file of any length."""

    study: str = "none"

    def __call__(self, runs: Path, history: Sequence[Row], /) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@pytest.fixture(scope="module")
def cache(brains_cache: Path) -> Path:
    return brains_cache


def make_job(cache: Path, *, steps: int = 8, val: int = 4, splits: tuple[str, ...] = ()) -> Job:
    dataset = open_dataset("virtual_brains", cache=cache, spacing_mm=8.0, train=4, val=val)
    described = dataset.configuration()
    budget = asdict(replace(BUDGETS["smoke"], steps=steps, validations=4))
    trial = Trial(method=METHOD.configuration(), dataset=described, budget=budget, seed=0)
    return Job(trial=trial, data=None, cache=cache, splits=splits)


def make_queue(driver: str, job: Job, runs: Path) -> JobQueue:
    """A queue of that one job: a list, or a search of one candidate."""
    if driver != "optuna":
        return JobList([job], runs)

    def make(values: Values) -> Candidate:
        return Candidate(label="it", values=values, method=job.trial.method, budget_changes={}, jobs=(job,))

    plan = SearchPlan(
        name="one", space=SPACE, trials=1, objectives=find_objectives(["dice"]), identity_dice={"virtual_brains": 0.5},
        runs=runs, seed=0, make=make, refuses=lambda method: None, limits={}, save_candidates=lambda search: None,
    )  # fmt: skip
    return Search(plan=plan, searcher=OptunaSearcher(SPACE, directions=["maximize"], sampler="tpe", seed=0))


def drive(driver: str, job: Job, runs: Path) -> Iterator[Status]:
    queue = make_queue(driver, job, runs)
    return run_ray(queue, runs) if driver == "ray" else run_inline(queue, runs, workers=1)


def last_of(statuses: Iterator[Status]) -> Status:
    *_, last = statuses
    return last


def process_of(status: Status) -> int:
    """The process of the worker that is at the first step or beyond; 0 where none is."""
    return next((int(facts["process"]) for _, facts in status.running if facts.get("step", 0) > 0), 0)


def wait_until(met: Callable[[], bool], *, limit_s: float = 60.0) -> bool:
    until = time.monotonic() + limit_s
    while not met() and time.monotonic() < until:
        time.sleep(0.01)
    return met()


def is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("driver", ["inline", pytest.param("optuna", marks=pytest.mark.slow), "ray"])
def test_a_worker_that_is_killed_once_costs_nothing_but_time(driver: str, cache: Path, tmp_path: Path) -> None:
    job = make_job(cache)
    last = last_of(drive(driver, replace(job, stop=KillsItsWorker(1)), tmp_path))
    assert (last.left, dict(last.given_up)) == (0, {})
    assert (tmp_path / "killed-0").exists()
    assert read_json(tmp_path / job.trial.key / "measured.json")["resumed_at"] == 3
    run_job(job, tmp_path / "alone")
    for name in ("record.json", "history.csv", "weights.safetensors"):
        broken, whole = ((runs / job.trial.key / name).read_bytes() for runs in (tmp_path, tmp_path / "alone"))
        assert broken == whole, name


@pytest.mark.parametrize("driver", ["inline", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_a_trial_that_always_kills_its_worker_is_a_record_with_its_reason(
    driver: str, cache: Path, tmp_path: Path
) -> None:
    job = make_job(cache)
    last = last_of(drive(driver, replace(job, stop=KillsItsWorker(99)), tmp_path))
    assert len(list(tmp_path.glob("killed-*"))) == ATTEMPTS
    assert last.left == 0
    record = read_json(tmp_path / job.trial.key / "record.json")
    assert record["status"] == "failed"
    assert record["reason"] == last.given_up[job.trial.key]
    assert record["reason"].startswith(f"{ATTEMPTS} workers died while running it, the last one: ")
    assert holder(tmp_path / job.trial.key) is None


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["inline", "ray"])  # a search evaluates nothing
def test_a_worker_killed_at_each_evaluation_leaves_the_training_and_a_note(
    driver: str, cache: Path, tmp_path: Path
) -> None:
    job = make_job(cache, val=24, splits=("val",))
    folder, killed, over = TrialFolder(tmp_path, job.trial), set[int](), threading.Event()
    run_job(replace(job, splits=()), tmp_path)

    def kill_each() -> None:
        while not over.wait(0.005):
            process = int((holder(folder.path) or {}).get("process", 0))
            if process not in (0, os.getpid(), *killed):
                os.kill(process, signal.SIGKILL)
                killed.add(process)

    killer = threading.Thread(target=kill_each)
    killer.start()
    try:
        last = last_of(drive(driver, job, tmp_path))
    finally:
        over.set()
        killer.join()
    assert len(killed) == ATTEMPTS
    assert folder.status() == "finished"
    assert not folder.evaluated("val")
    assert read_json(folder.path / GIVEN_UP)["reason"] == last.given_up[job.trial.key]
    assert run_job(job, tmp_path) == "finished"
    assert folder.evaluated("val")
    assert not (folder.path / GIVEN_UP).exists()


@pytest.mark.parametrize("driver", ["inline", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_a_full_storage_ends_the_sweep_and_the_trial_goes_on_later(driver: str, cache: Path, tmp_path: Path) -> None:
    job = make_job(cache)
    with pytest.raises(StorageError, match=r"cannot write .*File too large"):
        last_of(drive(driver, replace(job, stop=FillsTheStorage()), tmp_path))
    assert TrialFolder(tmp_path, job.trial).status() == "running"
    assert holder(tmp_path / job.trial.key) is None
    assert run_job(job, tmp_path) == "finished"


@pytest.mark.parametrize("driver", ["inline", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_ctrl_c_leaves_no_worker_and_no_claim_in_force(driver: str, cache: Path, tmp_path: Path) -> None:
    job = make_job(cache, steps=LONG)
    statuses = drive(driver, job, tmp_path)
    while not (process := process_of(next(statuses))):
        pass
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        last_of(statuses)
    del statuses
    assert wait_until(lambda: is_gone(process))
    folder = TrialFolder(tmp_path, job.trial)
    assert folder.status() == "running"
    assert holder(folder.path) is None
    if driver != "ray":  # whose workers are not told, so that up to a minute of training is done again
        assert folder.checkpoint.exists()
        assert not list(folder.path.glob("claim-*"))
