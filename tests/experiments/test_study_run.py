"""A study from Python: in a notebook that runs in a kernel of its own, with a method that one of its cells writes."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from experiments import run_study

METHOD = '''%%writefile entries/methods/shift.py
"""Everything by one voxel. Source: this test."""
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from fusemorph.method import Method


@dataclass(frozen=True, kw_only=True)
class Shift(Method):
    name: ClassVar[str] = "shift"
    source: ClassVar[str] = "this test"
    voxels: float = VOXELS

    def register(self, pair, *, network, device):
        if self.voxels > 1:
            (Path(__file__).parents[2] / "registering").touch()
            threading.Event().wait(600)  # until it is stopped
        return torch.full((1, pair.fixed.image.ndim, *pair.fixed.image.shape), self.voxels)
'''
STUDY = '''%%writefile entries/studies/shifts.py
"""What does a shift do?"""
from baselines.identity import Identity
from experiments.study import Arm, Study
from fusemorph.method import load_method

STUDY = Study(
    question="What does a shift do?", protocol=(), reference="identity", measure_cost=False,
    arms=lambda shape, budget: [
        Arm(label="identity", group="floor", method=Identity()),
        Arm(label="shift", group="own", method=load_method({"name": "shift"})),
    ],
)
'''
SETTINGS = """small = dict(
    dataset="virtual_brains", set=dict(spacing_mm=8.0, train=4, val=4, test=4), cache="CACHE", runs="runs", workers=1
)"""
STOPPED = """import os, signal, threading
from pathlib import Path

def stop_button():  # Jupyter's: the signal goes to the kernel and all that it has started
    while not Path("registering").exists():
        threading.Event().wait(0.05)
    os.killpg(os.getpgrp(), signal.SIGINT)

threading.Thread(target=stop_button, daemon=True).start()
try:
    run_study("shifts", arm="shift", entries="entries", **small | dict(runs="long"))
except KeyboardInterrupt:
    print("stopped; claims left:", len(list(Path("long").glob("*/claim-*"))))
"""


def cells(cache: Path) -> list[str]:
    return [
        "from pathlib import Path\nfrom experiments import run_study\n"
        'for kind in ("methods", "studies"):\n    Path("entries", kind).mkdir(parents=True)\n'
        + SETTINGS.replace("CACHE", str(cache)),
        METHOD.replace("VOXELS", "1.0"),
        STUDY,
        'run = run_study("shifts", entries="entries", **small)\n'
        "print(run.status, sorted(set(run.pairs.arm)), len(run.trials))",
        METHOD.replace("VOXELS", "2.0"),
        'run_study("shifts", entries="entries", dry_run=True, **small)\n'
        'from fusemorph.method import load_method\nprint(load_method({"name": "shift"}).voxels)',
        "from fusemorph.method import Method\nclass Mine(Method):\n    name = 'mine'\n"
        'try:\n    run_study("baselines", arm="mine", **small)\nexcept ValueError as error:\n    print(error)',
        STOPPED,
    ]


def test_a_notebook_runs_what_it_defines_shows_a_bar_and_stops_when_told(brains_cache: Path, tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells(brains_cache)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, [Path(__file__).parents[2]])))
        patch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
        NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [cell["outputs"] for cell in notebook.cells]
    shown = ["".join(str(part.get("text", "")) for part in parts) for parts in outputs]
    assert "0 ['identity', 'shift'] 2" in shown[3]
    assert any("application/vnd.jupyter.widget-view+json" in part.get("data", {}) for part in outputs[3])
    assert "2.0" in shown[5]
    assert "Mine is defined in this notebook or script alone" in shown[6]
    assert "%%writefile entries/methods/mine.py" in shown[6]
    assert "stopped; claims left: 0" in shown[7]


def test_a_wrong_call_says_so_before_anything_starts(tmp_path: Path) -> None:
    for options, message in (
        ({"budget": "smok"}, "did you mean smoke?"),
        ({"arm": "autofuse", "dataset": "virtual_brains"}, "did you mean AutoFuse?"),
        ({"dataset": "hipocampus"}, "did you mean hippocampus?"),
        ({"entries": tmp_path / "none"}, "--entries"),
    ):
        with pytest.raises(ValueError, match=message.replace("?", r"\?")):
            run_study("fusion", runs=tmp_path / "runs", **options)
    with pytest.raises(ValueError, match=r"unknown study 'fusio'.*did you mean fusion\?"):
        run_study("fusio", runs=tmp_path / "runs")
    assert not list(tmp_path.iterdir())
