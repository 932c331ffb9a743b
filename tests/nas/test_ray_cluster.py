"""Starting Ray where the temporary folder is too long for its sockets."""

import os
from pathlib import Path

import pytest
import ray

from nas import ray_cluster
from nas.jobs import JobList
from nas.ray import run_ray

LONG = "a-folder-of-a-scheduler-with-a-long-name/job.1234567.cluster.example.org"


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_temporary_folder_that_is_too_long_is_replaced(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for name in ("TMPDIR", "RAY_TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    assert ray_cluster._temporary_folder() is None
    monkeypatch.setenv(variable, "/scratch/short")
    assert ray_cluster._temporary_folder() is None
    monkeypatch.setenv(variable, f"/scratch/{LONG}")
    assert ray_cluster._temporary_folder() == f"/tmp/ray-{os.getuid()}"


@pytest.mark.slow
def test_ray_starts_under_a_long_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / LONG).mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(tmp_path / LONG))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    *_, last = run_ray(JobList([], tmp_path), tmp_path)
    assert last.left == 0
    assert not ray.is_initialized()
