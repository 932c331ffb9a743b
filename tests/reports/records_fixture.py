"""Records that hold to the contract, drawn from a seeded generator with block and seed effects."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.reports.pictures_fixture import slices
from tests.reports.viewer_fixture import view

LABELS = {1: "anterior", 2: "posterior"}


@dataclass(frozen=True, kw_only=True)
class Arm:
    """An arm as it is simulated: its true mean Dice, and whether it is trained and has gates."""

    label: str
    group: str = "published widths"
    plan: str | None = None
    dice: float = 0.70
    roughness: float = 0.30
    parameters: int = 1_000_000
    flops: int = 10_000_000_000

    @property
    def trained(self) -> bool:
        return self.plan is not None


ARMS = (
    Arm(label="AutoFuse", plan="ggggggg", dice=0.705, roughness=0.31, parameters=2_187_000, flops=23_900_000_000),
    Arm(label="early", plan="jjjjjjj", dice=0.690, roughness=0.33, parameters=1_424_000, flops=15_100_000_000),
    Arm(label="late", plan="------s", dice=0.682, roughness=0.28, parameters=336_000, flops=9_800_000_000),
    Arm(label="identity", group="floor", dice=0.512, roughness=0.0, parameters=0, flops=0),
)


def _matched(by: str, sizes: Sequence[tuple[float, float]]) -> tuple[Arm, ...]:
    plans = (("early", "jjjjjjj", 0.699), ("middle", "ssssjjj", 0.703), ("late", "------s", 0.696))
    return tuple(
        Arm(
            label=f"{label}, {by}",
            group=f"matched by {by}",
            plan=plan,
            dice=dice,
            roughness=0.32,
            parameters=round(parameters * 1e6),
            flops=round(flops * 1e9),
        )
        for (label, plan, dice), (parameters, flops) in zip(plans, sizes, strict=True)
    )


FUSION_ARMS = (
    Arm(label="early", plan="jjjjjjj", dice=0.692, roughness=0.33, parameters=1_424_000, flops=15_100_000_000),
    Arm(label="middle", plan="ssssjjj", dice=0.698, roughness=0.31, parameters=1_332_000, flops=13_400_000_000),
    Arm(label="late", plan="------s", dice=0.684, roughness=0.28, parameters=336_000, flops=9_800_000_000),
    Arm(label="AutoFuse", plan="ggggggg", dice=0.706, roughness=0.31, parameters=2_187_000, flops=23_900_000_000),
    *_matched("parameters", ((2.190, 23.3), (2.180, 22.1), (2.185, 57.0))),
    *_matched("FLOPs", ((2.250, 23.8), (2.410, 24.0), (0.830, 23.9))),
    Arm(label="identity", group="floor", dice=0.512, roughness=0.0, parameters=0, flops=0),
)


@dataclass(frozen=True, kw_only=True)
class Records:
    """What to write; effects are standard deviations of Dice."""

    arms: Sequence[Arm] = ARMS
    name: str = "fusion"
    seeds: int = 3
    blocks: int = 10
    pairs_in_block: int = 4
    block_effect: float = 0.03
    block_arm_effect: float = 0.006
    seed_effect: float = 0.004
    noise: float = 0.01
    shape: tuple[int, int] = (48, 64)
    pictures: bool = False
    synthetic: bool = False
    definition: Mapping[str, Any] = field(default_factory=dict)
    random_state: int = 0


def write_records(runs: Path, records: Records | None = None) -> dict[tuple[str, str], Path]:
    """Write a study with all its trials below ``runs``; the folder of each (label, seed)."""
    records = records or Records()
    rng = np.random.default_rng(records.random_state)
    blocks = rng.normal(0, records.block_effect, records.blocks)
    folders: dict[tuple[str, str], Path] = {}
    for number, arm in enumerate(records.arms):
        block_arm = rng.normal(0, records.block_arm_effect, records.blocks)
        for seed in range(records.seeds if arm.trained else 1):
            folder = runs / f"{records.name}{number:02d}{seed:02d}".ljust(16, "0")
            folders[arm.label, str(seed)] = folder
            shift = rng.normal(0, records.seed_effect) if arm.trained else 0.0
            _write_trial(folder, arm, seed, arm.dice + blocks + block_arm + shift, records, rng)
    _write_json(runs / "studies" / f"{records.name}.json", _study(records, folders))
    return folders


def _study(records: Records, folders: Mapping[tuple[str, str], Path]) -> dict[str, Any]:
    arms = [
        {
            "label": arm.label,
            "group": arm.group,
            "method": {"name": "fusion", "plan": arm.plan} if arm.trained else {"name": arm.label},
            "keys": {seed: folder.name for (label, seed), folder in folders.items() if label == arm.label},
        }
        for arm in records.arms
    ]
    dataset = {
        "name": "hippocampus",
        "title": "Hippocampus (Medical Segmentation Decathlon, task 4)",
        "synthetic": records.synthetic,
        "source": "Simpson et al. 2019",
        "licence": "CC BY-SA 4.0",
        "labels": {str(label): name for label, name in LABELS.items()},
        "shape": [48, 64, 48],
        "spacing_mm": [1.0, 1.0, 1.0],
    }
    return {
        "format": 1,
        "name": records.name,
        "study": "fusion",
        "question": "Where should a registration network fuse its two images, at equal size and equal cost?",
        "protocol": [
            "Every arm is trained for the same number of steps with the same losses and learning rate.",
            "Rate and regularisation were chosen by the mean val Dice over the four plans.",
            "Refinement is on in all arms.",
        ],
        "dataset": dataset,
        "budget": {"name": "quick", "steps": 600, "channels": 8},
        "seeds": list(range(records.seeds)),
        "reference": "AutoFuse",
        "reported_split": "val",
        "selection_split": "val",
        "split_note": "the official test files are not here, so val is evaluated",
        "arms": arms,
        **records.definition,
    }


def _write_trial(
    folder: Path, arm: Arm, seed: int, block_dice: np.ndarray, records: Records, rng: np.random.Generator
) -> None:
    evaluation = folder / "eval" / "val"
    evaluation.mkdir(parents=True)
    method = {"name": "fusion", "plan": arm.plan} if arm.trained else {"name": arm.label}
    budget = {"name": "quick", "steps": 600} if arm.trained else None
    dataset = {"name": "hippocampus", "fingerprint": "f" * 16}
    configuration = {"numerics": 1, "method": method, "dataset": dataset, "budget": budget, "seed": seed}
    record = {"format": 1, "key": folder.name, "status": "finished", "reason": None, "configuration": configuration}
    sizes = {"plan": arm.plan, "parameters": arm.parameters, "flops": arm.flops, "step": 600 if arm.trained else 0}
    _write_json(folder / "record.json", record | sizes)
    pairs, labels = _evaluation(arm, block_dice, records, rng)
    pairs.to_csv(evaluation / "pairs.csv", index=False)
    labels.to_csv(evaluation / "labels.csv", index=False)
    _write_machine(folder, arm, seed)
    if arm.trained:
        _history(arm, rng).to_csv(folder / "history.csv", index=False)
    stages = tuple(stage for stage, symbol in enumerate(arm.plan or "", start=1) if symbol == "g")
    if stages:
        _gates(rng).to_csv(folder / "gates.csv", index=False)
        _pair_gates(list(pairs["pair"]), stages, seed).to_csv(evaluation / "gates.csv", index=False)
    order = pairs.sort_values("dice", ascending=False).reset_index(drop=True)
    ranks = {"best": 0, "median": len(order) // 2, "worst": len(order) - 1}
    shown = {
        rank: {"pair": order["pair"][row], "dice": float(order["dice"][row]), "axis": 2, "slice": 24}
        for rank, row in ranks.items()
    }
    summary = {"split": "val", "pairs": len(pairs), "blocks": records.blocks, "label_warp": "linear", "pictures": shown}
    _write_json(evaluation / "summary.json", summary)
    if records.pictures and seed == 0:
        np.savez_compressed(
            evaluation / "pictures.npz", allow_pickle=False, **slices(records.shape, rng, still=not arm.trained)
        )
        shape = (min(records.shape[0], 160), min(records.shape[1], 160))
        viewed = view(shape, np.random.default_rng(seed), gates=stages)
        np.savez_compressed(evaluation / "viewer.npz", allow_pickle=False, **viewed)


def _evaluation(
    arm: Arm, block_dice: np.ndarray, records: Records, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    pairs, labels = [], []
    for block, level in enumerate(block_dice):
        for member in range(records.pairs_in_block):
            fixed, moving = f"{251 + 4 * block + member}", f"{400 - 4 * block - member}"
            name, dice = f"{fixed}<-{moving}", float(np.clip(level + rng.normal(0, records.noise), 0.05, 0.98))
            rough = abs(rng.normal(arm.roughness, 0.02)) if arm.roughness else 0.0
            pairs.append(
                {
                    "split": "val",
                    "pair": name,
                    "fixed": fixed,
                    "moving": moving,
                    "fixed_person": fixed,
                    "moving_person": moving,
                    "block": f"block{block:02d}",
                    "dice": dice,
                    "hd95_mm": 6 * (1 - dice) + abs(rng.normal(0, 0.1)),
                    "assd_mm": 2.2 * (1 - dice) + abs(rng.normal(0, 0.03)),
                    "hd95_vox": 6 * (1 - dice),
                    "folding_fraction": abs(rng.normal(2e-4, 1e-4)) * (arm.roughness > 0),
                    "ndv_fraction": abs(rng.normal(1e-4, 5e-5)) * (arm.roughness > 0),
                    "sd_log_jacobian": rough,
                    "sdlogj_l2r": rough / 3,
                    "endpoint_error_mm": None,
                }
            )
            for label, structure in LABELS.items():
                value = {
                    "dice": dice + 0.03 - 0.02 * label,
                    "hd95_mm": 4.0,
                    "assd_mm": 1.0,
                    "hd95_vox": 4.0,
                }
                labels.append({"pair": name, "label": label, "name": structure} | value)
    return pd.DataFrame(pairs), pd.DataFrame(labels)


def _write_machine(folder: Path, arm: Arm, seed: int) -> None:
    measured = {
        "started": f"2026-11-22T10:0{seed}:00",
        "ended": f"2026-11-22T10:1{seed}:00",
        "training_s": 2e-10 * arm.flops * 60,
        "step_s": 1.3e-11 * arm.flops,
        "peak_memory_mib": 500 + arm.parameters / 1e4,
        "threads": 1,
        "device": "cpu",
        "host_cpu": "a CPU",
        "versions": {"torch": "2.13.0", "numpy": "2.4.6"},
        "commit": "0123456789abcdef",
        "command": "python -m experiments.sweep fusion --dataset hippocampus --budget quick --seeds 3",
        "resumed_at": 0,
    }
    _write_json(folder / "measured.json", measured)
    if seed == 0:
        cost = {
            "latency_s": 1e-11 * arm.flops,
            "train_step_s": 1.2e-11 * arm.flops,
            "peak_memory_mib": 120 + arm.parameters / 2e4,
            "train_peak_memory_mib": 480 + arm.parameters / 1e4,
            "threads": 1,
            "device": "cpu",
            "shape": [48, 64, 48],
        }
        _write_json(folder / "cost.json", cost)


def _history(arm: Arm, rng: np.random.Generator) -> pd.DataFrame:
    step = np.arange(0, 601, 100)
    rise = 1 - np.exp(-step / 150)
    similarity = 0.9 - 0.35 * rise + rng.normal(0, 0.005, len(step))
    return pd.DataFrame(
        {
            "step": step,
            "loss": np.where(step > 0, similarity + 0.02, np.nan),
            "similarity": similarity,
            "kl": 0.01,
            "folding_penalty": 1e-6,
            "learning_rate": 1e-3,
            "val_dice": 0.512 + (arm.dice - 0.512) * rise + rng.normal(0, 0.004, len(step)),
            "val_folding_fraction": 2e-4 * rise,
        }
    )


def _gates(rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for step in range(0, 601, 100):
        for stage in range(1, 8):
            joint = float(np.clip(0.5 + (stage - 4) * 0.1 * step / 600 + rng.normal(0, 0.01), 0, 1))
            rows.append({"step": step, "stage": stage, "joint_weight": joint, "single_weight": 1 - joint})
    return pd.DataFrame(rows)


def _pair_gates(pairs: Sequence[str], stages: Sequence[int], seed: int) -> pd.DataFrame:
    """Weights of each pair around those at the end of the training; of a generator of their own."""
    rng = np.random.default_rng(seed)
    joint = {stage: np.clip(0.5 + (stage - 4) * 0.1 + rng.normal(0, 0.03, len(pairs)), 0, 1) for stage in stages}
    rows = [
        (pair, stage, joint[stage][row], 1 - joint[stage][row]) for row, pair in enumerate(pairs) for stage in stages
    ]
    return pd.DataFrame(rows, columns=["pair", "stage", "joint_weight", "single_weight"])


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
