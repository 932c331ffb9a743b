"""The container recipes: both install the same project, from files that are there, with the tested versions."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OCI = (ROOT / "experiments" / "cluster" / "Containerfile").read_text()
APPTAINER = (ROOT / "experiments" / "cluster" / "apptainer.def").read_text()
INSTRUCTIONS = {"FROM", "RUN", "WORKDIR", "COPY", "ENV", "ENTRYPOINT", "CMD"}
INSTALL = re.compile(r"pip install --no-cache-dir -c constraints\.txt (.+)")


def instructions() -> list[tuple[str, str]]:
    """The words and arguments of the OCI recipe, continued lines joined."""
    text = re.sub(r"^#.*\n", "", OCI, flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2]) for line in text.splitlines() if line.strip()]


def sections() -> dict[str, list[str]]:
    """The sections of Apptainer's recipe."""
    found: dict[str, list[str]] = {}
    for line in APPTAINER.splitlines():
        if line.startswith("%"):
            found[line[1:]] = []
        elif found and line.strip():
            found[list(found)[-1]].append(line.strip())
    return found


def copied() -> tuple[list[str], list[str]]:
    of_oci = [part for word, rest in instructions() if word == "COPY" for part in rest.split()[:-1]]
    return of_oci, [line.split()[0] for line in sections()["files"]]


def test_both_copy_the_same_files_which_are_there() -> None:
    of_oci, of_apptainer = copied()
    assert sorted(of_oci) == sorted(of_apptainer)
    assert all((ROOT / name).exists() for name in of_oci)
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages <= set(of_oci)


def test_what_the_project_reads_when_it_is_installed_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"pyproject.toml", "constraints.txt", project["readme"], *project["license-files"]} <= set(copied()[0])


def test_both_install_torch_first_and_the_same_project() -> None:
    assert INSTALL.findall(OCI) == INSTALL.findall(APPTAINER) == ["torch", '-e ".[search,classical]"']
    assert re.search(r"^FROM (\S+)$", OCI, re.MULTILINE)[1] == re.search(r"^From: (\S+)$", APPTAINER, re.MULTILINE)[1]  # type: ignore[index]


def test_the_oci_recipe_is_made_of_known_instructions() -> None:
    found = instructions()
    assert found[0][0] == "FROM"
    assert {word for word, _ in found} <= INSTRUCTIONS
    for word, rest in found:
        assert word not in ("ENTRYPOINT", "CMD") or isinstance(json.loads(rest), list)
    entry = next(json.loads(rest) for word, rest in found if word == "ENTRYPOINT")
    assert entry[-3:] == ["python", "-m", "experiments.sweep"]


@pytest.mark.parametrize("section", ["post", "environment", "runscript", "test"])
def test_the_shell_of_the_recipes_parses(section: str) -> None:
    subprocess.run(["bash", "-n"], input="\n".join(sections()[section]), text=True, check=True)
    runs = "\n".join(rest for word, rest in instructions() if word == "RUN")
    subprocess.run(["bash", "-n"], input=runs, text=True, check=True)
