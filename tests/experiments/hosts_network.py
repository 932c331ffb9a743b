"""Hosts on one machine: network namespaces on one bridge, an sshd each, that share a folder."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ADDRESSES = {"desk": "10.77.0.9", "h1": "10.77.0.1", "h2": "10.77.0.2", "h3": "10.77.0.3"}
SPACES = ("-m", "-u", "-i", "-n", "-p")
"""Namespaces of a host that a command enters: mounts, names, IPC, network, processes."""
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
            *["-m", "-u", "-i", "-n", "-p"],
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
