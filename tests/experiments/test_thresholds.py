"""What the suite promises of its main runs, by training for minutes."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from experiments.sweep import main

pytestmark = pytest.mark.slow
DATA = Path(os.environ.get("FUSEMORPH_DATA", Path(__file__).parents[3] / "shared" / "data")) / "Task04_Hippocampus"


def outcome(runs: Path, name: str, split: str) -> pd.DataFrame:
    """Mean metrics of each arm's first seed."""
    study = json.loads((runs / "studies" / f"{name}.json").read_text())
    folders = {arm["label"]: runs / arm["keys"]["0"] / "eval" / split for arm in study["arms"]}
    tables = {label: pd.read_csv(folder / "pairs.csv") for label, folder in folders.items()}
    return pd.DataFrame({label: table.mean(numeric_only=True) for label, table in tables.items()}).T


def test_quickstart_aligns_the_virtual_brains(tmp_path: Path) -> None:
    assert main(["quickstart", "--runs", str(tmp_path)]) == 0
    means = outcome(tmp_path, "quickstart-virtual_brains-search-300", "test")
    identity, trained = means.loc["identity"], means.drop(["identity", "oracle"])
    assert (trained["endpoint_error_mm"] < identity["endpoint_error_mm"]).all()
    assert (trained["folding_fraction"] <= 1e-3).all()
    assert (trained["dice"] >= identity["dice"] + 0.05).all()


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no hippocampus set at {DATA}; FUSEMORPH_DATA says where it lies")
def test_a_quick_fusion_study_aligns_the_hippocampus(tmp_path: Path) -> None:
    line = ["fusion", "--data", f"hippocampus={DATA}", "--budget", "quick", "--seeds", "1", "--runs", str(tmp_path)]
    assert main(line) == 0
    means = outcome(tmp_path, "fusion-hippocampus-quick", "val")
    assert means.loc["identity", "dice"] == pytest.approx(0.512, abs=0.001)
    assert means.loc[["C2F correlation", "C2F match", "C2F AutoFuse"], "dice"].min() >= 0.70
    assert means["dice"].loc["AutoFuse"] >= 0.60
    assert (means["folding_fraction"] <= 1e-3).all()
