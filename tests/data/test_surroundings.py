"""``fusemorph check`` in surroundings as clusters and containers have them: no home, read-only, full, interrupted."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.data.folder_files import fill

ROOT = Path(__file__).parents[2]
CHECK = [sys.executable, "-m", "fusemorph", "check", "folder"]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    fill(folder, 12)
    return folder


def environment(**changes: str | None) -> dict[str, str]:
    variables = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | changes
    return {name: value for name, value in variables.items() if value is not None and name != "FUSEMORPH_CACHE"}


def unfinished(folder: Path) -> list[Path]:
    return list(folder.rglob(".*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_check_leaves_nothing_half_written(images: Path, tmp_path: Path, number: signal.Signals) -> None:
    cache = tmp_path / "cache"
    call = [*CHECK, "--data", str(images), "--cache", str(cache)]
    process = subprocess.Popen(call, env=environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while process.poll() is None and not list(cache.glob("scans/*")):
        time.sleep(0.005)
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == 128 + number
    assert errors == ("fusemorph check: interrupted\n" if number == signal.SIGINT else "")
    assert not unfinished(cache)


def test_a_user_id_without_a_name_and_a_home_finds_a_cache(images: Path, tmp_path: Path) -> None:
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become a user id without an entry, by setpriv; the rule is tested in test_cache.py")
    temporary = tmp_path / "tmp"
    for folder, mode in ((temporary, 0o1777), (images, 0o755)):
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
        for parent in (folder, *folder.parents[:-2]):
            parent.chmod(parent.stat().st_mode | 0o755)
    nobody = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"]
    ended = subprocess.run(
        [*nobody, *CHECK, "--data", str(images)], env=environment(HOME=None, TMPDIR=str(temporary)),
        capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    cache = temporary / "fusemorph-cache-54321"
    assert ended.stderr.count(f"the cache is in {cache};") == 1
    assert list(cache.glob("scans/*"))


def in_small_storage(options: str, call: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    """Run a command where ``place`` is a file system of its own, mounted with ``options``."""
    mount = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o {options} tmpfs "$0" && exec "$@"', str(place)]
    if os.getuid() != 0 or subprocess.run([*mount, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets no test mount a file system of its own (unshare --mount)")
    return subprocess.run([*mount, *call], env=environment(), capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("options", "reason"), [("size=64k", "no space left on the disk"), ("ro", "Read-only file system")]
)
def test_a_cache_that_is_full_or_read_only_is_one_line(images: Path, tmp_path: Path, options: str, reason: str) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    ended = in_small_storage(options, [*CHECK, "--data", str(images), "--cache", str(cache)], cache)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"fusemorph check: cannot write {cache}/")
    assert reason in ended.stderr
    assert ended.stderr.count("\n") == 1
