"""Which learning rate and regularisation serve all four fusion strategies? Chosen by mean val Dice over them."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from baselines.identity import Identity
from experiments.studies.fusion import named_plans
from experiments.study import Arm, Study
from fusemorph.configuration import Budget
from fusemorph.fusion.method import Fusion
from fusemorph.losses.training_loss import TrainingLoss

RATES = (2.5e-4, 5e-4, 1e-3)
KL_WEIGHTS = (3e-3, 1e-2)
STEPS = 150


def tuning_arms(shape: tuple[int, ...], budget: Budget) -> Sequence[Arm]:
    """Every plan under every pair of rate and KL weight, for a quarter of ``quick``."""
    arms = [Arm(label="identity", group="floor", method=Identity())]
    for rate, weight in product(RATES, KL_WEIGHTS):
        for arm in named_plans(budget):
            assert isinstance(arm.method, Fusion)
            method = replace(arm.method, loss=TrainingLoss(kl_weight=weight))
            label = f"{arm.label}, rate {rate:g}, KL {weight:g}"
            changes = {"learning_rate": rate, "steps": STEPS}
            arms.append(Arm(label=label, group=f"rate {rate:g}, KL {weight:g}", method=method, budget_changes=changes))
    return arms


STUDY = Study(
    question="Which learning rate and KL weight serve the four fusion strategies best on average?",
    protocol=(
        "A selection on val: each pair of rate and weight is given to each of the four plans once, and the pair with "
        "the best mean val Dice over the plans is used for all of them in the studies that follow.",
    ),
    reference=f"AutoFuse, rate {RATES[0]:g}, KL {KL_WEIGHTS[0]:g}",
    arms=tuning_arms,
    dataset="hippocampus",
    selects=True,
    measure_cost=False,
)
