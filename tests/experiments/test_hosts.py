"""A sweep over three hosts, of which one is cut off and comes back, and one is killed.

A host is a network namespace with an address, host name, process numbers, /tmp and home of its own, and an sshd; all
hang on one bridge and share a folder. It needs root, and Debian's openssh-server, iproute2 and rsync. The Python
environment is that of the tests, made beforehand.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fusemorph.storage import read_json

pytestmark = pytest.mark.hosts

ROOT = Path(__file__).parents[2]
ADDRESSES = {"desk": "10.77.0.9", "h1": "10.77.0.1", "h2": "10.77.0.2", "h3": "10.77.0.3"}
SWEEP = ["quickstart", "--seeds", "2", "--set", "spacing_mm=8.0", "--set", "train=4", "--set", "val=4"]
STEPS = os.environ.get("FUSEMORPH_HOSTS_STEPS", "400")
PLACES = 4
"""Trials at a time: two on the head, one on each worker."""
AGAIN_S = 30.0
"""Within so many seconds of its host's loss, or of a free place, a trial runs on another one."""
SSHD = """\
HostKey {folder}/key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
SetEnv HOME={folder}/{name}
"""
BASHRC = "export PATH={folder}/bin:$PATH PYTHONPATH=$HOME/checkout RAY_worker_niceness=0\ncd\n"
BOOT = """\
hostname {name}
mount --bind {folder}/hosts /etc/hosts
mount --rbind {folder}/{name}/tmp /tmp
mount -t tmpfs -o size=400m shm /dev/shm
mkdir -p /run/sshd
/usr/sbin/sshd -f {folder}/{name}/sshd
: > {folder}/{name}/ready
while :; do sleep 999 & wait $!; done
"""


def call(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if check and done.returncode:
        pytest.fail(f"{' '.join(words)}: {done.stdout}{done.stderr}")
    return done


@dataclass
class Network:
    """Hosts on one bridge. ``mark`` keeps the names of their namespaces apart from those of others."""

    folder: Path
    mark: str = f"fm{os.getpid() % 100_000}"
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    commands: list["subprocess.Popen[str]"] = field(default_factory=list)

    def space(self, name: str) -> str:
        return f"{self.mark}-{name}"

    def open(self) -> None:
        """The bridge, in a namespace of its own."""
        (self.folder / "hosts").write_text(
            "127.0.0.1 localhost\n" + "".join(f"{a} {n}\n" for n, a in ADDRESSES.items())
        )
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / "key"))
        wrapper = self.folder / "bin" / "ssh"  # ssh looks for ``~`` past ``HOME``, where Ray has put the key
        wrapper.parent.mkdir()
        wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F none -i {self.folder}/key "$@"\n')
        wrapper.chmod(0o755)
        call("ip", "netns", "add", self.space("sw"))
        call("ip", "-n", self.space("sw"), "link", "add", "br0", "type", "bridge")
        call("ip", "-n", self.space("sw"), "link", "set", "br0", "up")

    def start(self, name: str) -> None:
        """Join a host to the bridge, and boot it."""
        home, space = self.folder / name, self.space(name)
        (home / "tmp").mkdir(parents=True)
        (home / "sshd").write_text(SSHD.format(folder=self.folder, name=name))
        (home / ".bashrc").write_text(BASHRC.format(folder=self.folder))
        call("ip", "netns", "add", space)
        call("ip", "-n", self.space("sw"), "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", space)
        call("ip", "-n", self.space("sw"), "link", "set", name, "master", "br0", "up")
        call("ip", "-n", space, "addr", "add", f"{ADDRESSES[name]}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            call("ip", "-n", space, "link", "set", link, "up")
        call("ip", "-n", space, "route", "add", "default", "via", "10.77.0.254")  # Ray asks which address leads out
        boot = BOOT.format(folder=self.folder, name=name)
        apart = ["unshare", "-u", "-i", "-m", "-p", "--fork", "--kill-child", "--mount-proc"]
        with (home / "log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                ["ip", "netns", "exec", space, *apart, "bash", "-c", boot], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log,
            )  # fmt: skip
        wait_for(lambda: (home / "ready").exists(), f"{name} to boot", within_s=20)

    def first_process(self, name: str) -> int:
        """The host's process 1, as its namespace calls it."""
        unshare = self.processes[name].pid
        return int(Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()[0])

    def on(self, name: str, *words: str) -> "subprocess.Popen[str]":
        """Start a command on a host."""
        home = self.folder / name
        entered = [
            "nsenter",
            "-t",
            str(self.first_process(name)),
            "-m",
            "-u",
            "-i",
            "-n",
            "-p",
            f"--wd={home}/checkout",
        ]
        path = f"{self.folder}/bin:{home}/environment/bin:{os.environ['PATH']}"
        settings = [f"HOME={home}", f"PATH={path}", "RAY_AUTH_MODE=token", "RAY_USAGE_STATS_ENABLED=0"]
        self.commands.append(
            subprocess.Popen(
                [*entered, "env", *settings, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
        return self.commands[-1]

    def link(self, name: str, state: str) -> None:
        call("ip", "-n", self.space("sw"), "link", "set", name, state)

    def crash(self, name: str) -> None:
        """Cut the link, so that nobody hears of it, and kill all processes of a host."""
        self.link(name, "down")
        os.kill(self.first_process(name), 9)

    def close(self) -> None:
        for name in self.processes:
            with suppress(OSError, IndexError):
                os.kill(self.first_process(name), 9)
            self.processes[name].wait()
        for command in self.commands:
            command.kill()
            if command.stdout is not None and not command.stdout.closed:
                command.communicate()
        for name in (*ADDRESSES, "sw"):
            call("ip", "netns", "del", self.space(name), check=False)


def wait_for(there: Callable[[], Any], what: str, *, within_s: float) -> Any:
    """What is there, once it is."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if found := there():
            return found
        time.sleep(0.2)
    pytest.fail(f"waited {within_s:.0f} s for {what}")


@pytest.fixture
def network() -> Iterator[Network]:
    """A desk and three hosts, each with what the cluster file would install."""
    if os.getuid() != 0:
        pytest.fail("network namespaces need root")
    if missing := [name for name in ("ip", "rsync", "ssh", "unshare", "/usr/sbin/sshd") if shutil.which(name) is None]:
        pytest.fail(f"{', '.join(missing)} missing: apt-get install iproute2 openssh-server rsync")
    # Not below /tmp: each host has one of its own.
    with tempfile.TemporaryDirectory(prefix="fm-hosts-", dir="/var/tmp", ignore_cleanup_errors=True) as folder:
        network = Network(Path(folder))
        (network.folder / "shared").mkdir()
        try:
            network.open()
            for name in ADDRESSES:
                network.start(name)
                furnish(network.folder / name)
            furnish_desk(network.folder)
            yield network
        finally:
            network.close()


def furnish(home: Path) -> None:
    environment = home / "environment"
    environment.mkdir()
    for part in Path(sys.prefix).iterdir():
        (environment / part.name).symlink_to(part)
    shutil.copy(ROOT / "constraints.txt", environment)


def furnish_desk(folder: Path) -> None:
    """A checkout, and ``experiments/cluster/ssh.yaml`` filled in as its head says."""
    checkout = folder / "desk" / "checkout"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".*", "runs", "results", "tests", "__pycache__"))
    shutil.copy(ROOT / ".gitignore", checkout)
    text = (ROOT / "experiments" / "cluster" / "ssh.yaml").read_text()
    small = "--num-cpus={} --object-store-memory=80000000"
    for old, new in {
        "YOUR_HEAD": ADDRESSES["h1"],
        "[YOUR_WORKER_1, YOUR_WORKER_2]": f"[{ADDRESSES['h2']}, {ADDRESSES['h3']}]",
        "YOUR_USER": "root",
        "~/.ssh/YOUR_KEY": f"{folder}/key",
        "/shared": f"{folder}/shared",
        "--head --port=6379": f"--head --include-dashboard=false --port=6379 {small.format(2)}",
        "--address=$RAY_HEAD_IP:6379": f"--address=$RAY_HEAD_IP:6379 {small.format(1)}",
    }.items():
        assert old in text
        text = text.replace(old, new)
    (checkout / "ssh.yaml").write_text(text)


@dataclass
class Watched:
    """What is seen of a sweep in its run folder: who has claimed what, and whether what has ended stays as it is."""

    runs: Path
    highest: dict[str, int] = field(default_factory=dict)
    ended: dict[str, set[bytes]] = field(default_factory=dict)
    full_until: float = 0.0

    def look(self) -> dict[str, list[dict[str, Any]]]:
        """The claims on each trial, the one in force last."""
        claims: dict[str, list[dict[str, Any]]] = {}
        for path in sorted(self.runs.glob("*/claim-*.json")):
            with suppress(OSError, ValueError):
                claim = json.loads(path.read_text())
                claims.setdefault(path.parent.name, []).append(claim)
                number = int(path.stem.removeprefix("claim-"))
                self.highest[path.parent.name] = max(number, self.highest.get(path.parent.name, 0))
        for path in self.runs.glob("*/record.json"):
            with suppress(OSError):
                content = path.read_bytes()
                if b'"status": "finished"' in content:
                    self.ended.setdefault(path.parent.name, set()).add(content + str(path.stat().st_mtime_ns).encode())
        return claims

    def held_by(self, host: str) -> str | None:
        """The trial that a host trains."""
        claims = self.look()
        return next((key for key, (*_, c) in claims.items() if c["host"] == host and c.get("step", 0) > 0), None)

    def moved(self, key: str, host: str) -> bool:
        """Whether another host has a trial now; until when no place for it was free is noted."""
        claims = self.look()
        if sum(held[-1]["host"] != host for held in claims.values()) >= PLACES - 1:
            self.full_until = time.monotonic()
        return any(claim["host"] != host for claim in claims.get(key, []))


def test_every_trial_finishes_once_whatever_happens_to_a_host(
    network: Network, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(text: str) -> None:
        with capsys.disabled():
            print(text, flush=True)

    runs, cache = (str(network.folder / "shared" / name) for name in ("runs", "cache"))
    token = network.on("desk", "ray", "get-auth-token", "--generate")
    assert token.wait() == 0, token.communicate()[0]
    began = time.monotonic()
    started = network.on("desk", "ray", "up", "ssh.yaml", "--yes")
    said, _ = started.communicate(timeout=300)
    assert started.returncode == 0, said
    told(f"ray up: {time.monotonic() - began:.0f} s")
    line = [*SWEEP, "--budget", f"smoke-{STEPS}", "--runs", runs, "--cache", cache]
    line += ["--driver", "ray", "--address", "auto", "--cpus-per-trial", "1"]
    sweep = network.on("desk", "ray", "submit", "ssh.yaml", "experiments/sweep.py", "--", *line)
    watched = Watched(Path(runs))

    def wait(there: Callable[[], Any], what: str, *, within_s: float) -> Any:
        def still() -> Any:
            if sweep.poll() is not None:
                pytest.fail(f"the sweep ended before {what}: {sweep.communicate()[0]}")
            return there()

        return wait_for(still, what, within_s=within_s)

    wait(lambda: all(watched.held_by(h) for h in ("h1", "h2", "h3")), "a trial on each host", within_s=600)
    told(f"all three hosts train: {time.monotonic() - began:.0f} s")
    cut = watched.held_by("h3")
    assert cut is not None
    network.link("h3", "down")
    lost = time.monotonic()
    beats = [claim["beat"] for claim in watched.look()[cut]]
    wait(lambda: watched.moved(cut, "h3"), "the trial of the host that was cut off", within_s=400)
    again = {"cut off": time.monotonic() - max(lost, watched.full_until)}
    told(
        f"cut off: its trial runs again after {time.monotonic() - lost:.1f} s, {again['cut off']:.1f} s of a free place"
    )
    assert watched.look()[cut][0]["beat"] > beats[0]  # it goes on writing
    network.link("h3", "up")
    lost = time.monotonic()
    wait(lambda: (key := watched.held_by("h3")) and key != cut, "the host to come back", within_s=300)
    told(f"back: it trains again after {time.monotonic() - lost:.1f} s")

    killed = wait(lambda: watched.held_by("h2"), "a trial on h2", within_s=120)
    network.crash("h2")
    lost = time.monotonic()
    wait(lambda: watched.moved(killed, "h2"), "the trial of the host that was killed", within_s=400)
    again["killed"] = time.monotonic() - max(lost, watched.full_until)
    told(f"killed: its trial runs again after {time.monotonic() - lost:.1f} s, {again['killed']:.1f} s of a free place")

    wait_for(lambda: watched.look() is not None and sweep.poll() is not None, "the sweep", within_s=900)
    said, _ = sweep.communicate()
    assert sweep.returncode == 0, said
    told(f"ended: {time.monotonic() - began:.0f} s")
    name = f"quickstart-virtual_brains-smoke-{STEPS}"
    keys = [key for arm in read_json(Path(runs) / "studies" / f"{name}.json")["arms"] for key in arm["keys"].values()]
    watched.look()
    assert {key: len(states) for key, states in watched.ended.items()} == dict.fromkeys(keys, 1)
    assert max(again.values()) <= AGAIN_S
    repeated = {key for key, number in watched.highest.items() if number > 1}
    assert repeated == {cut, killed}
    assert not list(Path(runs).glob("*/claim-*"))
