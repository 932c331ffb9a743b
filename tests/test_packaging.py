"""What the project says of itself in several places agrees, and what must be light is."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fusemorph

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize(
    "module", ["fusemorph.cli", "fusemorph.configuration", "fusemorph.fusion.plan", "fusemorph.records", "reports"]
)
def test_no_torch_comes_along(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_one_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text().splitlines()
    assert f"version: {fusemorph.__version__}" in citation
    assert PROJECT["version"] == fusemorph.__version__


def test_every_dependency_has_a_tested_version_within_its_range() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    extras = PROJECT["optional-dependencies"]
    named = [extras[name] for name in ("search", "test", "lint", "types")]
    wanted = [Requirement(line) for line in sum(named, PROJECT["dependencies"])]
    for requirement in (own for own in wanted if own.name != PROJECT["name"]):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement
