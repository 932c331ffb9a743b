"""One of several processes that do the trials of a folder: ``claiming_process.py RUNS TRIALS SEED AHEAD_S``.

It dies at random in the midst of a trial, and its clock and the dates that it gives to claims are wrong by ``AHEAD_S``.
"""

import os
import random
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from fusemorph.configuration import Trial
from fusemorph.records import TrialFolder
from fusemorph.trials import claims

DEADLY = 0.03
KILLED = 9


def main(runs: Path, trials: int, seed: int, ahead_s: float) -> None:
    with suppress(PermissionError):
        socket.sethostname("same")  # of a namespace of its own
    claims.HEARTBEAT_S, claims.LOST_AFTER_S = 0.02, 1.0
    true_time = time.time
    time.time = lambda: true_time() + ahead_s
    threading.Thread(target=misdate, args=(runs, random.Random(seed)), daemon=True).start()
    rng = random.Random(seed)
    folders = [TrialFolder(runs, trial_of(number)) for number in range(trials)]
    while left := [folder for folder in folders if folder.status() != "finished"]:
        folder = rng.choice(left)
        claim = claims.take_claim(folder.path)
        if claim is None:
            time.sleep(0.01)
            continue
        with claim, suppress(claims.TakenOver):
            do(folder, claim, rng, runs)


def trial_of(number: int) -> Trial:
    return Trial(method={"name": "identity"}, dataset={"name": "d", "fingerprint": "f"}, budget=None, seed=number)


def do(folder: TrialFolder, claim: claims.Claim, rng: random.Random, runs: Path) -> None:
    """The trial, unless it has been done since; each that is finished is a line of the log."""
    folder.tidy()
    if folder.status() == "finished":
        return
    folder.begin({})
    for step in range(5):
        claim.note(step=step)
        time.sleep(0.005)
        if rng.random() < DEADLY:
            os._exit(KILLED)
    claim.require()
    folder.finish({}, measured={})
    with (runs / "log").open("a") as log:
        log.write(f"{folder.trial.seed}\n")


def misdate(runs: Path, rng: random.Random) -> None:
    """Date the claims there are a day or so ahead or behind, as the clocks of other hosts would."""
    while True:
        for claim in runs.glob("*/claim-*.json"):
            with suppress(OSError):
                os.utime(claim, (time.time() + rng.choice((-1, 0, 1)) * 86_400,) * 2)
        time.sleep(0.01)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
