"""How long the report of a large search takes, and what memory that takes.

10,000 records, of which nine in ten were stopped early, and a study of 60 confirmed trials with 100 pairs each: it must
be there within 60 s, below 2 GiB, on two cores.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reports.records_fixture import Arm, Records, write_records
from tests.reports.search_fixture import BASE, Entry, Proposal, write_search

ROOT = Path(__file__).parents[2]
CANDIDATES = 5_000
SPACE = {
    "base": BASE,
    "operators": "jsg",
    "parameters": [
        {"name": "gate.temperature", "low": 0.5, "high": 2.0},
        {"name": "rate", "low": 1e-4, "high": 1e-2, "log": True},
    ],
}


def proposals(rng: np.random.Generator) -> list[Proposal]:
    """Candidates of which one in ten finished."""
    made = []
    for _ in range(CANDIDATES):
        plan = "".join(rng.choice(list("jsg"), 7))
        finished = bool(rng.random() < 0.1)
        gains = np.cumsum(rng.normal(0.02, 0.01, 4))[: 4 if finished else int(rng.integers(1, 3))]
        values: dict[str, Any] = {f"plan.{stage}": operator for stage, operator in enumerate(plan, 1)}
        values |= {"gate.temperature": float(rng.uniform(0.5, 2)), "rate": float(10 ** rng.uniform(-4, -2))}
        status: dict[str, Any] = (
            {} if finished else {"status": "pruned"} | {"reason": f"stopped at step {50 * len(gains)}"}
        )
        made.append(Proposal(plan=plan, gains=tuple(map(float, gains)), values=values, **status))
    return made


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of a search, of its random control, and of the study that confirms."""
    folder, rng = tmp_path_factory.mktemp("reports") / "runs", np.random.default_rng(0)
    write_search(folder, Entry(name="full", proposals=proposals(rng), search={"space": SPACE}))
    control = {"space": SPACE, "control_of": "full", "searcher": "random"}
    write_search(folder, Entry(name="full-random", proposals=proposals(rng), search=control))
    arms = [Arm(label=f"arm {number}", plan=f"{number:07d}", dice=float(rng.normal(0.7, 0.01))) for number in range(20)]
    write_records(
        folder, Records(arms=arms, name="full-best-of-10000", seeds=3, blocks=50, pairs_in_block=2, pictures=True)
    )
    return folder


def test_report_of_ten_thousand_records(runs: Path, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    command = [sys.executable, "-m", "reports", str(runs), "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    gibibytes = after.ru_maxrss / 2**20
    size = (tmp_path / "index.html").stat().st_size / 1e6
    print(f"\nreport of 10,000 records: {seconds:.0f} s ({used:.0f} s of CPU), {gibibytes:.2f} GiB, {size:.1f} MB")
    assert seconds <= 60
    assert gibibytes < 2
    assert size < 8
