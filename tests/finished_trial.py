"""A trial of identity that is done, with its record and nothing to read it with but the core."""

from pathlib import Path

from fusemorph.configuration import Trial
from fusemorph.records import TrialFolder

TRIAL = Trial(method={"name": "identity"}, dataset={"name": "d", "fingerprint": "f"}, budget=None, seed=0)


def finished(runs: Path) -> TrialFolder:
    folder = TrialFolder(runs, TRIAL)
    folder.begin({"parameters": 0})
    folder.finish({"parameters": 0}, history=[{"step": 1, "val_dice": float("nan")}], measured={"threads": 1})
    return folder
