"""What training took."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Hours:
    """Hours of ``training``, what they took of cores and of GPUs, and over how many trainings."""

    training: float
    cores: float
    gpus: float
    trainings: int


def training_hours(trials: pd.DataFrame) -> Hours:
    """Hours over ``trials`` (``training_s``, ``threads``, ``device``, ``devices``) whose time is known, each key once.

    A training on GPUs counts for each of them, which trials that share one count once for each; all others count for
    their threads, one where those are not known.
    """
    trained = trials.drop_duplicates("key").dropna(subset=["training_s"])
    hours = trained["training_s"].astype(float) / 3600
    threads = pd.to_numeric(trained["threads"], errors="coerce").fillna(1)
    on_gpu = ~trained["device"].isna() & ~trained["device"].astype(str).isin(["cpu", "mps"])
    devices = pd.to_numeric(trained["devices"], errors="coerce").fillna(1)
    return Hours(
        training=float(hours.sum()),
        cores=float((hours * threads * devices)[~on_gpu].sum()),
        gpus=float((hours * devices)[on_gpu].sum()),
        trainings=len(trained),
    )


def effort(hours: Hours) -> str:
    """``1.23 core-hours of training``, with GPU-hours where there are some."""
    parts = [f"{hours.cores:.2f} core-hours"] if hours.cores or not hours.gpus else []
    parts += [f"{hours.gpus:.2f} GPU-hours"] if hours.gpus else []
    return f"{' and '.join(parts)} of training"
