"""The ``fusemorph`` command: subcommands found by name, suggestions, completion, and the core without a checkout."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fusemorph.cli import COMMANDS, main

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("command", ["sweep", "report"])
def test_without_the_checkout_it_says_what_is_missing(command: str, tmp_path: Path) -> None:
    """The wheel holds ``fusemorph`` alone; ``-S`` leaves out what is installed here."""
    ignored = shutil.ignore_patterns("__pycache__", "*.nii.gz")
    shutil.copytree(ROOT / "fusemorph", tmp_path / "fusemorph", ignore=ignored)
    call = f"from fusemorph import cli; sys.exit(cli.main([{command!r}]))"
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {call}"
    ended = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"fusemorph {command}: it runs from the checkout")
    assert len(ended.stderr.splitlines()) == 1


def test_the_core_imports_no_study() -> None:
    code = "import sys, fusemorph.cli; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"experiments", "nas", "baselines", "reports", "torch", "shtab"} & set(ended.stdout.split())


def test_a_wrong_command_suggests_the_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["swep"])
    assert ended.value.code == 2
    assert "unknown command 'swep'" in (message := capsys.readouterr().err)
    assert "did you mean sweep?" in message


def test_sweep_and_report_are_called_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "fusio", "--runs", str(tmp_path)]) == 2
    assert "did you mean fusion?" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_completes_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(command in script for command in COMMANDS)
    assert all(option in script for option in ("--gpus-per-trial", "--moving-labels", "--equivalence"))
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
