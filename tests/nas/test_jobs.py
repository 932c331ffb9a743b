"""The queue of a list that is known beforehand."""

from pathlib import Path

from fusemorph.configuration import Trial
from fusemorph.records import TrialFolder
from fusemorph.trials.run import Job
from nas.jobs import JobList


def make_job(seed: int) -> Job:
    trial = Trial(method={"name": "identity"}, dataset={"name": "none"}, budget=None, seed=seed)
    return Job(trial=trial, data=None, cache=None, splits=())


def test_a_damaged_record_is_a_problem_and_stops_no_other(tmp_path: Path) -> None:
    jobs = [make_job(seed) for seed in range(3)]
    for job in jobs[:2]:
        TrialFolder(tmp_path, job.trial).begin({})
    record = tmp_path / jobs[0].trial.key / "record.json"
    record.write_bytes(b"")
    queue = JobList(jobs, tmp_path)
    assert list(queue.problems) == [jobs[0].trial.key]
    assert str(record) in queue.problems[jobs[0].trial.key]
    assert [queue.next(), queue.next(), queue.next()] == [jobs[1], jobs[2], None]
    assert record.read_bytes() == b""
