"""Our VoxelMorph beside voxelmorph 0.3.4 and MONAI 1.6: time and peak memory as ratios, all within one run.

Processor time, on the one thread that all have: it tells the same beside other work on the machine.
"""

import statistics
import subprocess
import sys
import time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.benchmarks.peers import NAMES, TASKS, Shape, make_task
from tests.benchmarks.test_convolutions import measured_s

pytestmark = [
    pytest.mark.peers,
    # Of MONAI's diffusion loss, and of the peers' own imports.
    pytest.mark.filterwarnings("ignore"),
]
ROUNDS: dict[Shape, int] = {(64, 64, 64): 10, (160, 192, 160): 1}
SHAPES = [pytest.param(shape, id="x".join(map(str, shape))) for shape in ROUNDS]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.benchmark(timer=time.process_time)
def test_time(benchmark: BenchmarkFixture, task: str, shape: Shape) -> None:
    """Each peer has its turn before each of ours, after one round that does not count."""
    ours, *others = (make_task(name, task, shape) for name in NAMES)
    seconds: dict[str, list[float]] = {name: [] for name in NAMES[1:]}

    def others_turn() -> None:
        for name, run in zip(NAMES[1:], others, strict=True):
            began = time.process_time()
            run()
            seconds[name].append(time.process_time() - began)

    benchmark.pedantic(ours, setup=others_turn, rounds=ROUNDS[shape], warmup_rounds=1)
    median_s = {NAMES[0]: measured_s(benchmark)}
    median_s |= {name: statistics.median(taken[1:]) for name, taken in seconds.items()}
    report(benchmark, f"{task} at {shape}, seconds", median_s)
    assert all(median_s["ours"] < median_s[name] for name in NAMES[2:])


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("shape", SHAPES)
def test_peak_memory(benchmark: BenchmarkFixture, task: str, shape: Shape) -> None:
    """Each in a process of its own, above what importing the package takes."""
    peaks_mib = {name: peak_mib(name, task, shape) for name in NAMES[1:]}
    peaks_mib["ours"] = benchmark.pedantic(lambda: peak_mib("ours", task, shape), rounds=1)
    report(benchmark, f"{task} at {shape}, peak MiB", {name: peaks_mib[name] for name in NAMES})
    assert all(peaks_mib["ours"] <= peaks_mib[name] for name in NAMES[2:])


def peak_mib(name: str, task: str, shape: Shape) -> float:
    command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.peers", name, task, *map(str, shape)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def report(benchmark: BenchmarkFixture, title: str, values: dict[str, float]) -> None:
    ratios = {name: value / values["ours"] for name, value in values.items()}
    benchmark.extra_info.update(values=values, ratios=ratios)
    print(f"\n{title}: " + "; ".join(f"{name} {values[name]:.3g} ({ratios[name]:.2f})" for name in values))
