"""A sweep over three hosts, of which one is cut off and comes back, and one is killed.

A host is a network namespace with an address, host name, process numbers, /tmp and home of its own, and an sshd; all
hang on one bridge and share a folder. It needs root, and Debian's openssh-server, iproute2 and rsync. The Python
environment is that of the tests, made beforehand.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fusemorph.storage import read_json
from tests.experiments.hosts_network import ADDRESSES, Network, furnish, furnish_desk, wait_for

pytestmark = pytest.mark.hosts

SWEEP = ["quickstart", "--seeds", "2", "--set", "spacing_mm=8.0", "--set", "train=4", "--set", "val=4"]
STEPS = os.environ.get("FUSEMORPH_HOSTS_STEPS", "400")
PLACES = 4
"""Trials at a time: two on the head, one on each worker."""
AGAIN_S = 30.0
"""Within so many seconds of its host's loss, or of a free place, a trial runs on another one."""


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


@dataclass
class Sweep:
    """A sweep over the hosts: what it prints, what is seen of it, and how soon lost trials run again."""

    network: Network
    show: Callable[[str], None]
    runs: Path
    began: float = field(default_factory=time.monotonic)
    again: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.watched = Watched(self.runs)
        token = self.network.on("desk", "ray", "get-auth-token", "--generate")
        assert token.wait() == 0, token.communicate()[0]
        started = self.network.on("desk", "ray", "up", "ssh.yaml", "--yes")
        printed, _ = started.communicate(timeout=300)
        assert started.returncode == 0, printed
        self.show(f"ray up: {time.monotonic() - self.began:.0f} s")
        line = [*SWEEP, "--budget", f"smoke-{STEPS}", "--runs", str(self.runs), "--cache", f"{self.runs}-cache"]
        line += ["--driver", "ray", "--address", "auto", "--cpus-per-trial", "1"]
        self.process = self.network.on("desk", "ray", "submit", "ssh.yaml", "experiments/sweep.py", "--", *line)

    def wait(self, there: Callable[[], Any], what: str, *, within_s: float) -> Any:
        def still() -> Any:
            if self.process.poll() is not None:
                pytest.fail(f"the sweep ended before {what}: {self.process.communicate()[0]}")
            return there()

        return wait_for(still, what, within_s=within_s)

    def lose(self, host: str, how: Callable[[str], None], name: str) -> str:
        """Lose a host, and wait until its trial, which is returned, runs on another one."""
        key: str = self.wait(lambda: self.watched.held_by(host), f"a trial on {host}", within_s=120)
        how(host)
        lost = time.monotonic()
        self.wait(lambda: self.watched.moved(key, host), f"the trial of the host that was {name}", within_s=400)
        self.again[name] = time.monotonic() - max(lost, self.watched.full_until)
        since = f"{time.monotonic() - lost:.1f} s, {self.again[name]:.1f} s of a free place"
        self.show(f"{name}: its trial runs again after {since}")
        return key

    def end(self) -> None:
        wait_for(lambda: self.watched.look() is not None and self.process.poll() is not None, "the end", within_s=900)
        printed, _ = self.process.communicate()
        assert self.process.returncode == 0, printed
        self.show(f"ended: {time.monotonic() - self.began:.0f} s")
        self.watched.look()


def test_every_trial_finishes_once_whatever_happens_to_a_host(
    network: Network, capsys: pytest.CaptureFixture[str]
) -> None:
    def show(text: str) -> None:
        with capsys.disabled():
            print(text, flush=True)

    sweep = Sweep(network, show, network.folder / "shared" / "runs")
    watched = sweep.watched
    sweep.wait(lambda: all(watched.held_by(h) for h in ("h1", "h2", "h3")), "a trial on each host", within_s=600)
    show(f"all three hosts train: {time.monotonic() - sweep.began:.0f} s")

    cut = sweep.lose("h3", lambda host: network.link(host, "down"), "cut off")
    beat = watched.look()[cut][0]["beat"]
    sweep.wait(lambda: watched.look()[cut][0]["beat"] > beat, "the host that was cut off to write on", within_s=60)
    network.link("h3", "up")
    since = time.monotonic()
    sweep.wait(lambda: (key := watched.held_by("h3")) and key != cut, "the host to come back", within_s=300)
    show(f"back: it trains again after {time.monotonic() - since:.1f} s")

    killed = sweep.lose("h2", network.crash, "killed")
    sweep.end()
    study = read_json(sweep.runs / "studies" / f"quickstart-virtual_brains-smoke-{STEPS}.json")
    keys = [key for arm in study["arms"] for key in arm["keys"].values()]
    assert {key: len(states) for key, states in watched.ended.items()} == dict.fromkeys(keys, 1)
    assert max(sweep.again.values()) <= AGAIN_S
    repeated = {key for key, number in watched.highest.items() if number > 1}
    assert repeated == {cut, killed}
    assert not list(sweep.runs.glob("*/claim-*"))
