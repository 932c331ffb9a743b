"""Which fusion strategy registers best, at the paper's widths and at matched capacity?"""

from collections.abc import Sequence
from dataclasses import replace

from baselines.identity import Identity
from experiments.study import Arm, Study
from fusemorph.configuration import Budget
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.matching import Measure, match_channels
from fusemorph.fusion.method import Fusion
from fusemorph.losses.training_loss import TrainingLoss
from fusemorph.networks.padding import padded_shape

PLANS = {"early": "early", "middle": "middle", "late": "late", "AutoFuse": "autofuse"}
TUNED = TrainingLoss(kl_weight=3e-3)
"""The objective that the study ``tuning`` chose for the four plans together; see LOG.md."""
MATCHED: dict[str, Measure] = {"matched by parameters": "parameters", "matched by FLOPs": "flops"}


def fusion_arms(shape: tuple[int, ...], budget: Budget) -> Sequence[Arm]:
    """The four plans at the published widths, and three matched to AutoFuse in two ways; identity as the floor."""
    arms = [Arm(label="identity", group="floor", method=Identity()), *named_plans(budget)]
    autofuse = Fusion(plan="autofuse", channels=published_channels(budget.width), loss=TUNED)
    for group, measure in MATCHED.items():
        for label in ("early", "middle", "late"):
            method = replace(autofuse, plan=PLANS[label])
            channels = match_channels(method, autofuse, measure=measure, shape=padded_shape(shape))
            arms.append(Arm(label=f"{label}, {measure}", group=group, method=replace(method, channels=channels)))
    return arms


def named_plans(budget: Budget) -> list[Arm]:
    """Early, middle, late and AutoFuse at the budget's width, refinement in all."""
    channels = published_channels(budget.width)
    return [
        Arm(label=label, group="published widths", method=Fusion(plan=plan, channels=channels, loss=TUNED))
        for label, plan in PLANS.items()
    ]


STUDY = Study(
    question="Does it matter where a registration network fuses its two images, once capacity is matched?",
    protocol=(
        "All arms share one network family, one objective, one schedule and the same training pairs in the same order.",
        "Refinement blocks stand after every live stage of every arm.",
        "Matched arms have AutoFuse's parameters, or its forward FLOPs when padded, within 2 %, or 3 % at c <= 8.",
        "Learning rate and regularisation were chosen by mean val Dice over the four plans, equal trials each.",
    ),
    reference="AutoFuse",
    arms=fusion_arms,
    dataset="hippocampus",
    seeds=3,
)
