"""What the project says of itself in several places agrees, and what must be light is."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fusemorph

ROOT = Path(__file__).parents[1]
CODE = ("fusemorph", "nas", "baselines", "experiments", "reports", "tests")
MOST_LINES, LONGEST_FUNCTION = 300, 45
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_no_torch_comes_along() -> None:
    light = ("fusemorph.cli", "fusemorph.configuration", "fusemorph.fusion.plan", "fusemorph.records", "reports")
    code = "import importlib, sys\nfor name in sys.argv[1:]:\n"
    code += "    importlib.import_module(name)\n    assert 'torch' not in sys.modules, name"
    ended = subprocess.run([sys.executable, "-c", code, *light], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_files_and_functions_are_short() -> None:
    long = []
    for path in (path for folder in CODE for path in (ROOT / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) > MOST_LINES:
            long.append(str(path))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION:
                long.append(f"{path}: {node.name}")
    assert not long


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
    for requirement in (requirement for requirement in wanted if requirement.name != PROJECT["name"]):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement
