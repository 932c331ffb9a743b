"""Scores by structure."""

import pandas as pd


def structure_names(labels: pd.DataFrame) -> "pd.Series[str]":
    """What the structure of each row is called: its ``name``, or its ``label`` where it has none."""
    return labels["name"].where(labels["name"] != "", "label " + labels["label"])


def structure_means(labels: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice over pairs, then seeds, by arm and structure, with the spread between seeds."""
    seeds = labels.groupby(["arm", "label", "name", "seed"], sort=False)["dice"].mean()
    return seeds.groupby(level=["arm", "label", "name"], sort=False).agg(dice="mean", seed_sd="std").reset_index()
