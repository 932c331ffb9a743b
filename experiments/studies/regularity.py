"""What Dice does each fusion strategy buy at which regularity? Coarse-to-fine plans over four weights of KL."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from baselines.identity import Identity
from experiments.studies.fusion import TUNED, coarse_to_fine_plans
from experiments.study import Arm, Study
from fusemorph.configuration import Budget
from fusemorph.fusion.method import Fusion

KL_WEIGHTS = (1e-3, 3e-3, 1e-2, 3e-2)


def regularity_arms(shape: tuple[int, ...], budget: Budget) -> Sequence[Arm]:
    """Every coarse-to-fine plan under every weight."""
    arms = [Arm(label="identity", group="floor", method=Identity())]
    for weight, arm in product(KL_WEIGHTS, coarse_to_fine_plans(budget)):
        assert isinstance(arm.method, Fusion)
        method = replace(arm.method, loss=replace(TUNED, kl_weight=weight))
        arms.append(Arm(label=f"{arm.label}, KL {weight:g}", group=f"KL {weight:g}", method=method))
    return arms


STUDY = Study(
    question="Is a strategy better at every regularity, or does it only trade smoothness for overlap?",
    protocol=(
        "Each plan is trained under each of four weights of the KL term, all else equal; a strategy is better where "
        "its front of Dice against sd log Jacobian lies above the others'.",
    ),
    reference=f"C2F AutoFuse, KL {TUNED.kl_weight:g}",
    arms=regularity_arms,
    dataset="hippocampus",
    budget="search",
    measure_cost=False,
)
