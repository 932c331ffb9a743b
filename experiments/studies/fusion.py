"""Which fusion strategy registers best, at the paper's widths and at matched capacity?"""

from collections.abc import Sequence
from dataclasses import replace

from baselines.identity import Identity
from experiments.study import Arm, Study
from fusemorph.configuration import Budget
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.matching import match_channels
from fusemorph.fusion.method import Fusion
from fusemorph.losses import TrainingLoss
from fusemorph.networks.padding import padded_shape

DIRECT = {"early": "early", "middle": "middle", "late": "late", "AutoFuse": "autofuse"}
COARSE_TO_FINE = {
    "C2F joint": "c2f-joint",
    "C2F correlation": "c2f-correlation",
    "C2F match": "c2f-match",
    "C2F AutoFuse": "c2f-autofuse",
}
"""Named by what decodes; the encoder of joint is joint, that of match single, that of AutoFuse gates."""

TUNED = TrainingLoss(levels=3, kl_weight=3e-3)
"""The loss that the study ``recipe`` chose over plans of both decodings; its steps are in LOG.md."""


def fusion_arms(shape: tuple[int, ...], budget: Budget) -> Sequence[Arm]:
    """Eight plans at the published widths, and seven matched to C2F AutoFuse by parameters; identity as the floor."""
    arms = [Arm(label="identity", group="floor", method=Identity()), *named_plans(budget)]
    reference = Fusion(plan="c2f-autofuse", channels=published_channels(budget.width), loss=TUNED)
    for label, plan in (DIRECT | COARSE_TO_FINE).items():
        if plan != "c2f-autofuse":
            method = replace(reference, plan=plan)
            channels = match_channels(method, reference, measure="parameters", shape=padded_shape(shape))
            matched = replace(method, channels=channels)
            arms.append(Arm(label=f"{label}, parameters", group="matched by parameters", method=matched))
    return arms


def named_plans(budget: Budget) -> list[Arm]:
    """The direct and the coarse-to-fine plans at the budget's width, refinement in all."""
    return [*_at_published_widths(DIRECT, budget), *coarse_to_fine_plans(budget)]


def coarse_to_fine_plans(budget: Budget) -> list[Arm]:
    """The four coarse-to-fine plans at the budget's width, refinement in all."""
    return _at_published_widths(COARSE_TO_FINE, budget)


def _at_published_widths(plans: dict[str, str], budget: Budget) -> list[Arm]:
    channels = published_channels(budget.width)
    return [
        Arm(label=label, group="published widths", method=Fusion(plan=plan, channels=channels, loss=TUNED))
        for label, plan in plans.items()
    ]


STUDY = Study(
    question="Does it matter where a registration network fuses its two images, and how it decodes, at equal capacity?",
    protocol=(
        "All arms share one network family, one objective, one schedule and the same training pairs in the same order.",
        "Refinement blocks stand after every live stage of every arm.",
        "Arms labelled “parameters” have the parameters of C2F AutoFuse within 2 %, or 3 % at c <= 8.",
        "Learning rate, KL weight and the resolutions of the similarity were chosen by mean val Dice over four plans "
        "of both decodings, equal trials each (study recipe).",
    ),
    reference="C2F AutoFuse",
    arms=fusion_arms,
    dataset="hippocampus",
    seeds=3,
    optimise_instances=True,
)
