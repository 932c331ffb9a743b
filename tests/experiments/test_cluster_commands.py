"""Every line of the cluster files and their guide that calls the sweep is one that the sweep understands."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from experiments.runner.command_line import parse

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "experiments" / "cluster"
CALL = re.compile(
    r"(?:experiments/sweep\.py .*?-- |-m experiments\.sweep |cluster/slurm(?:_array)?\.sh )([a-z][^`'\"\n]*)"
)


def lines_in(text: str) -> list[str]:
    """The arguments of each call of the sweep, also where a comment goes on after a backslash."""
    return CALL.findall(re.sub(r"\\\n#?\s*", "", text))


def quoted() -> list[str]:
    jobs = yaml.safe_load_all((CLUSTER / "kubernetes.yaml").read_text())
    entrypoints = [job["spec"]["entrypoint"] for job in jobs if job["kind"] == "RayJob"]
    files = [ROOT / "docs" / "cluster.md", *sorted(CLUSTER.glob("*.sh")), *sorted(CLUSTER.glob("[!k]*.yaml"))]
    return [line for text in (*entrypoints, *(path.read_text() for path in files)) for line in lines_in(text)]


def test_the_lines_are_found() -> None:
    assert len(quoted()) >= 6
    assert all("--runs /shared/runs" in line or line.endswith("--dry-run") for line in quoted())


@pytest.mark.parametrize("line", sorted(set(quoted())))
def test_the_sweep_understands(line: str) -> None:
    options = parse(shlex.split(line))
    assert options is not None
    if options.execution.on_ray:
        assert (options.study_name, options.search.trials) == ("placement", 500)
    else:  # the tasks of an array
        assert (options.study_name, options.execution.address) in (("placement", None), ("fusion", None))
