"""How should fusion networks be trained? One change of the recipe at a time, for networks of either decoding."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from baselines.identity import Identity
from experiments.study import Arm, Study
from fusemorph.configuration import Budget
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.method import Fusion
from fusemorph.losses import TrainingLoss

PLANS = {
    "C2F joint": "c2f-joint",
    "C2F correlation": "c2f-correlation",
    "C2F match": "c2f-match",
    "AutoFuse": "autofuse",
}
BASE, RATE = TrainingLoss(kl_weight=3e-3), {"learning_rate": 5e-4}


@dataclass(frozen=True, kw_only=True)
class Change:
    """What differs from the base recipe in the budget and in the loss."""

    budget: dict[str, Any] = field(default_factory=dict)
    loss: dict[str, Any] = field(default_factory=dict)


CHANGES = {
    "base": Change(),
    "rate 1e-3": Change(budget={"learning_rate": 1e-3}),
    "one direction, twice the steps": Change(budget={"symmetric": False, "steps": 300}),
    "flips": Change(budget={"augmentation": "flip"}),
    "KL 0.001": Change(loss={"kl_weight": 1e-3}),
    "coarser stages": Change(loss={"coarser_weight": 1.0}),
    "three resolutions": Change(loss={"levels": 3}),
    "textured windows": Change(loss={"textured": True}),
    "inverse consistency": Change(loss={"inverse_consistency_weight": 1.0}),
    "affine noise": Change(budget={"augmentation": "affine"}),
    "diffusion": Change(loss={"kl_weight": 0.0, "diffusion_weight": 1.0}),
    "rate 2e-3": Change(budget={"learning_rate": 2e-3}),
    "KL 0.01": Change(loss={"kl_weight": 1e-2}),
    "window 7": Change(loss={"window": 7}),
    "window 5": Change(loss={"window": 5}),
    "three resolutions, KL 0.01": Change(loss={"levels": 3, "kl_weight": 1e-2}),
    "three resolutions, window 11": Change(loss={"levels": 3, "window": 11}),
    "three resolutions, KL 0.01, rate 1e-3": Change(
        budget={"learning_rate": 1e-3}, loss={"levels": 3, "kl_weight": 1e-2}
    ),
}
"""One change at a time, ordered by what was expected of it; then the best with those that did not hurt beside it."""


def recipe_arms(shape: tuple[int, ...], budget: Budget) -> Sequence[Arm]:
    """Every plan under every change."""
    arms = [Arm(label="identity", group="floor", method=Identity())]
    for name, change in CHANGES.items():
        for label, plan in PLANS.items():
            method = Fusion(plan=plan, channels=published_channels(budget.width), loss=replace(BASE, **change.loss))
            arms.append(Arm(label=f"{label}, {name}", group=name, method=method, budget_changes=RATE | change.budget))
    return arms


STUDY = Study(
    question="Which changes of the training recipe help networks of either decoding?",
    protocol=(
        "A selection on val: each change of the recipe is given to each of four plans once, and is adopted where it "
        "raises the mean val Dice over the plans at a folding fraction of at most 0.001.",
    ),
    reference="C2F match, base",
    arms=recipe_arms,
    dataset="hippocampus",
    budget="search",
    selects=True,
    measure_cost=False,
)
