"""``ray submit`` from end to end: a desk, and a cluster of two machines, each behind an sshd on loopback.

A machine has a home, a process namespace and a Ray folder of its own, so that ``ray stop`` reaches nothing else and
nothing outlives the test. Its Python environment is that of the tests, made beforehand.
"""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from fusemorph.storage import read_json

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SMALL = ["--set", "spacing_mm=8.0", "--set", "train=4", "--set", "val=4", "--budget", "smoke"]
RAY = ["--driver", "ray", "--address", "auto", "--cpus-per-trial", "1"]
ADDRESSES = {"head": "127.0.0.1", "worker": "127.0.0.2"}
SSHD = """\
ListenAddress {address}:{port}
HostKey {folder}/key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
SetEnv HOME={folder}/{name}
"""
BASHRC = """\
export PATH={folder}/bin:$PATH PYTHONPATH=$HOME/checkout RAY_TMPDIR=$HOME
cd
"""
MEET = """\
import os, time
import ray
ray.init(address="auto", log_to_driver=False)
for _ in range(90):
    if len(ray.nodes()) == 2:
        break
    time.sleep(1)

@ray.remote(num_cpus=1)
def where():
    import fusemorph
    time.sleep(2)
    return os.path.relpath(fusemorph.__file__, os.environ["HOME"]) + " on " + os.path.basename(os.environ["HOME"])

print("found", *sorted(ray.get([where.remote(), where.remote()])), sep=": ")
"""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where somebody sits and calls Ray: a home with a checkout in it; and the cluster's shared storage."""

    home: Path
    shared: Path

    def ray(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Call Ray's command line from the checkout."""
        environment = os.environ | {name: str(self.home) for name in ("HOME", "RAY_TMPDIR", "TMPDIR")}
        environment["PATH"] = f"{self.home.parent}/bin:{os.environ['PATH']}"
        environment["RAY_USAGE_STATS_ENABLED"] = "0"
        command = [str(Path(sys.executable).with_name("ray")), *arguments]
        return subprocess.run(
            command, cwd=self.home / "checkout", env=environment, capture_output=True, text=True, timeout=600
        )


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """A desk with a token and the cluster file filled in, and two machines on which Ray does not run yet."""
    programs = find_programs("sshd", "ssh", "ssh-keygen", "rsync", "unshare")
    # The path of a socket has 107 characters at the most, and Ray's lie deep: not in pytest's own folder.
    with tempfile.TemporaryDirectory(prefix="fm-", dir="/tmp") as name, ExitStack() as machines:
        folder = Path(name)
        (folder / "shared").mkdir()
        port = free_port()
        subprocess.run([programs["ssh-keygen"], "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
        write_ssh(folder, programs["ssh"], port=port)
        for machine in ADDRESSES:
            furnish_machine(folder, machine)
            machines.enter_context(running_sshd(folder, machine, programs, port=port))
        desk = furnish_desk(folder)
        token = desk.ray("get-auth-token", "--generate")
        assert token.returncode == 0, token.stderr
        yield desk
        stopped = desk.ray("down", "ssh.yaml", "--yes")
        assert stopped.returncode == 0, stopped.stderr


def find_programs(*names: str) -> dict[str, str]:
    found = {name: shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") for name in names}
    if missing := [name for name, path in found.items() if path is None]:
        pytest.fail(f"{', '.join(missing)} missing: apt-get install openssh-server rsync")
    return {name: str(path) for name, path in found.items()}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def write_ssh(folder: Path, ssh: str, *, port: int) -> None:
    """An ``ssh`` that knows port and key: Ray can name no port, and ssh itself looks for ``~`` past ``HOME``."""
    wrapper = folder / "bin" / "ssh"
    wrapper.parent.mkdir()
    options = f"-F none -p {port} -i {folder}/key -o ControlPath=none -o LogLevel=ERROR"
    wrapper.write_text(f'#!/bin/sh\nexec {ssh} {options} "$@"\n')
    wrapper.chmod(0o755)


def furnish_machine(folder: Path, name: str) -> None:
    """A home whose environment, which the cluster file would install, is there already."""
    environment = folder / name / "environment"
    environment.mkdir(parents=True)
    for part in Path(sys.prefix).iterdir():
        (environment / part.name).symlink_to(part)
    shutil.copy(ROOT / "constraints.txt", environment)
    (folder / name / ".bashrc").write_text(BASHRC.format(folder=folder))


@contextmanager
def running_sshd(folder: Path, name: str, programs: dict[str, str], *, port: int) -> Iterator[None]:
    """An sshd as the first process of a namespace: everything in it ends with it."""
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where root's sshd locks its unprivileged half in
    config, address = folder / f"{name}.sshd", ADDRESSES[name]
    config.write_text(SSHD.format(folder=folder, name=name, address=address, port=port))
    rights = [] if os.getuid() == 0 else ["--map-current-user"]
    namespace = [programs["unshare"], *rights, "--pid", "--fork", "--kill-child", "--mount-proc"]
    with (folder / f"{name}.log").open("wb") as log:
        sshd = subprocess.Popen([*namespace, programs["sshd"], "-D", "-e", "-f", config], stderr=log)
    try:
        if not answers(address, port, sshd):
            pytest.fail(f"no sshd: {(folder / f'{name}.log').read_text()}")
        yield
    finally:
        sshd.kill()
        sshd.wait()


def answers(address: str, port: int, sshd: subprocess.Popen[bytes]) -> bool:
    for _ in range(100):
        with socket.socket() as client:
            if sshd.poll() is None and client.connect_ex((address, port)) == 0:
                return True
        time.sleep(0.1)
    return False


def furnish_desk(folder: Path) -> Desk:
    """A checkout with ``experiments/cluster/ssh.yaml`` filled in as its head says."""
    checkout = folder / "desk" / "checkout"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".*", "runs", "results", "tests", "__pycache__"))
    shutil.copy(ROOT / ".gitignore", checkout)
    text = (ROOT / "experiments" / "cluster" / "ssh.yaml").read_text()
    for old, new in {
        "YOUR_HEAD": ADDRESSES["head"],
        "[YOUR_WORKER_1, YOUR_WORKER_2]": f"[{ADDRESSES['worker']}]",
        "YOUR_USER": getpass.getuser(),
        "~/.ssh/YOUR_KEY": f"{folder}/key",
        "/shared": f"{folder}/shared",
        "--head": "--head --include-dashboard=false",
        "6379": f"{free_port()} --num-cpus=1 --object-store-memory=100000000",
    }.items():
        assert old in text
        text = text.replace(old, new)
    (checkout / "ssh.yaml").write_text(text)
    (checkout / "meet.py").write_text(MEET)
    return Desk(home=folder / "desk", shared=folder / "shared")


def test_every_machine_of_the_file_joins_with_the_checkout_and_the_token(desk: Desk) -> None:
    met = desk.ray("submit", "ssh.yaml", "meet.py", "--start")
    assert met.returncode == 0, met.stdout + met.stderr
    assert "found: checkout/fusemorph/__init__.py on head: checkout/fusemorph/__init__.py on worker" in met.stdout
    assert desk.ray("exec", "ssh.yaml", "ray status").returncode == 0
    assert desk.ray("exec", "ssh.yaml", "RAY_AUTH_TOKEN=another ray status").returncode != 0


def test_a_submitted_sweep_leaves_records_and_report_on_the_shared_storage(desk: Desk) -> None:
    runs, cache = desk.shared / "runs", desk.shared / "cache"
    line = ["quickstart", *SMALL, "--runs", str(runs), "--cache", str(cache), *RAY]
    submitted = desk.ray("submit", "ssh.yaml", "experiments/sweep.py", "--start", "--", *line)
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    name = "quickstart-virtual_brains-smoke"
    assert (runs / "reports" / name / "index.html").is_file()
    for arm in read_json(runs / "studies" / f"{name}.json")["arms"]:
        assert read_json(runs / arm["keys"]["0"] / "record.json")["status"] == "finished"
