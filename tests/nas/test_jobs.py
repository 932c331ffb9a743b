"""The queue of a list that is known beforehand."""

from pathlib import Path

from fusemorph.configuration import Trial
from fusemorph.records import TrialFolder
from fusemorph.trials.job import Job
from nas.jobs import JobList


def make_job(seed: int) -> Job:
    trial = Trial(method={"name": "identity"}, dataset={"name": "none"}, budget=None, seed=seed)
    return Job(trial=trial, data=None, cache=None, splits=())


def test_a_damaged_record_is_made_again_and_one_of_another_version_is_a_problem(tmp_path: Path) -> None:
    damaged, other, good = jobs = [make_job(seed) for seed in range(3)]
    for job in jobs:
        TrialFolder(tmp_path, job.trial).begin({})
    (tmp_path / damaged.trial.key / "record.json").write_bytes(b"")
    record = tmp_path / other.trial.key / "record.json"
    record.write_text(record.read_text().replace('"format": 1', '"format": 99'))
    queue = JobList(jobs, tmp_path)
    assert list(queue.problems) == [other.trial.key]
    assert f"{record} was made by another version" in queue.problems[other.trial.key]
    assert [queue.next(), queue.next(), queue.next()] == [damaged, good, None]
