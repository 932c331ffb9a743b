"""What the documents tell their readers to type works, and what they say is what the records give."""

import re
import shlex
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.results import main as results
from experiments.runner.command_line import parse
from experiments.study import find_study
from fusemorph.catalogue import FOLDERS
from fusemorph.cli import main as fusemorph
from fusemorph.complexity import count_parameters
from fusemorph.configuration import BUDGETS
from fusemorph.data import known_datasets
from fusemorph.data.dataset import Pair, Scan
from fusemorph.method import load_method
from reports.__main__ import main as report
from tests.documented import PAGES, ROOT, blocks_of

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


RECORDED = ROOT / "docs" / "results.md"
"""Lines as they were typed when the records were made, with options and budgets of that day."""


def lines_of(command: str, text: str = README) -> list[list[str]]:
    """The arguments of each call in the README, without the brackets around what may be left out."""
    found = re.findall(rf"{re.escape(command)} ([^`\n]+)", text)
    return [shlex.split(re.sub(r"[\[\]]|\.\.\.", "", line)) for line in sorted(set(found))]


ALL = "\n".join(page.read_text(encoding="utf-8") for page in PAGES if page != RECORDED)
# Studies of one's own are in the tutorials' own files, and run by their tests.
SWEEPS = [line for line in lines_of("python -m experiments.sweep", ALL) if "--entries" not in line]


@pytest.mark.parametrize("line", SWEEPS, ids=" ".join)
def test_the_sweep_understands_every_line(line: list[str]) -> None:
    options = parse(line)
    if options is None:
        assert "--list" in line
        return
    assert find_study(options.study_name)
    assert set(options.data.datasets) <= set(known_datasets())
    budget = options.study.budget
    assert not budget or budget in BUDGETS or re.fullmatch(r"search-\d+", budget)


def test_the_readme_calls_every_command() -> None:
    assert len(lines_of("python -m experiments.sweep")) > 6
    assert len(SWEEPS) > 15
    assert len(lines_of("python -m reports")) == len(lines_of("fusemorph check")) == 1
    assert len(lines_of("fusemorph register")) == 2


@pytest.mark.parametrize(
    ("command", "names"),
    [("python -m reports", "RUNS"), ("fusemorph check", "DIR"), ("fusemorph register", "FIXED.nii.gz")],
)
def test_a_command_of_the_readme_fails_at_its_placeholders_alone(
    command: str, names: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong option would end it before that, as ``SystemExit``."""
    monkeypatch.chdir(tmp_path)
    for line in lines_of(command):
        status = report(line) if "reports" in command else fusemorph([command.split()[1], *line])
        assert status in (1, 2)
        assert names in "".join(capsys.readouterr())


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= 1000


def test_results_are_what_the_records_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert results(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_in_a_page_compiles(page: Path) -> None:
    for block in blocks_of(page):
        if block.language == "python":
            compile(textwrap.dedent(block.text), str(page), "exec")


NETWORK = """
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from fusemorph.method import LearnedMethod
from fusemorph.networks.registration import Registration


class Network(nn.Module):
    def __init__(self, dims, channels):
        super().__init__()
        convolution = nn.Conv3d if dims == 3 else nn.Conv2d
        self.layers = nn.Sequential(convolution(2, channels, 3, padding=1), convolution(channels, dims, 3, padding=1))

    def forward(self, fixed, moving, generator=None):
        return Registration(displacement=self.layers(torch.cat([fixed, moving], 1)))
"""


def test_the_method_that_contributing_shows_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = re.findall(r"```python\n(.*?)```", CONTRIBUTING, flags=re.DOTALL)
    docstring, code = textwrap.dedent(shown).split("\n", 1)
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "mine.py").write_text(f"{docstring}\n{NETWORK}\n{code}")
    monkeypatch.setenv(FOLDERS, str(tmp_path))
    method = load_method({"name": "mine", "channels": 4})
    assert count_parameters(method, 3) == 2 * 4 * 27 + 4 + 4 * 3 * 27 + 3
    images = np.random.default_rng(0).random((2, 12, 10)).astype(np.float32)
    scans = [
        Scan(id=name, subject=name, image=image, labels=None, spacing_mm=(1.0, 1.0), affine=np.eye(3))
        for name, image in zip("ab", images, strict=True)
    ]
    pair = Pair(split="val", fixed=scans[0], moving=scans[1], block="0")
    found = method.register(pair, network=method.network(2), device=torch.device("cpu"))
    assert found.shape == (1, 2, 12, 10)
