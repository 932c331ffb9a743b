"""What does refinement after fusion (the ELK blocks, 17 % of AutoFuse's parameters) add to each strategy?"""

from collections.abc import Sequence
from dataclasses import replace

from baselines.identity import Identity
from experiments.studies.fusion import named_plans
from experiments.study import Arm, Study
from fusemorph.configuration import Budget
from fusemorph.fusion.method import Fusion


def refinement_arms(shape: tuple[int, ...], budget: Budget) -> Sequence[Arm]:
    """The named plans with refinement after every live stage, and after none."""
    arms = [Arm(label="identity", group="floor", method=Identity())]
    for arm in named_plans(budget):
        assert isinstance(arm.method, Fusion)
        plain = replace(arm.method, refine=False)
        arms.append(replace(arm, group="refined"))
        arms.append(Arm(label=f"{arm.label}, plain", group="without refinement", method=plain))
    return arms


STUDY = Study(
    question="What does refinement after fusion add to each fusion strategy?",
    protocol=(
        "Each plan is trained twice at the published widths: with refinement after every live stage, and with none.",
        "Arms with refinement have more parameters; the table states the ratios.",
    ),
    reference="C2F AutoFuse",
    arms=refinement_arms,
    dataset="hippocampus",
    seeds=3,
)
