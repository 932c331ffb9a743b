"""What Dice do labels buy at which regularity? Two strategies with all labels, over weights of KL and of Dice."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from baselines.identity import Identity
from experiments.studies.semi import CORRECTED, PLAN
from experiments.study import Arm, Study
from fusemorph.configuration import Budget
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.method import Fusion
from fusemorph.fusion.segmentation import Segmentation

KL_WEIGHTS = (3e-3, 1e-2, 2e-2, 4e-2)
DICE_WEIGHTS = (1.0, 3.0)
STRATEGIES: tuple[Segmentation, ...] = ("none", "all")


def regularity_arms(shape: tuple[int, ...], budget: Budget) -> Sequence[Arm]:
    """Either strategy under every weight of KL, at two weights of the terms that move labels."""
    arms = [Arm(label="identity", group="floor", method=Identity())]
    channels = published_channels(budget.width)
    for strategy, dice, kl in product(STRATEGIES, DICE_WEIGHTS, KL_WEIGHTS):
        terms = replace(CORRECTED.supervision, fixed_labels_weight=dice, moving_labels_weight=dice)
        loss = replace(CORRECTED, kl_weight=kl, dice_weight=dice, supervision=terms)
        method = Fusion(plan=PLAN, channels=channels, loss=loss, segmentation=strategy)
        group = f"Dice weight {dice:g}"
        arms.append(Arm(label=f"{strategy}, {group}, KL {kl:g}", group=group, method=method))
    return arms


STUDY = Study(
    question="At which weights do labels help most at a given regularity?",
    protocol=(
        "A selection on val with all labels: the best mean Dice at an SD of the log Jacobian of at most 0.45 and a "
        "folding fraction of at most 1e-4 decides the weights of the study semi.",
    ),
    reference="none, Dice weight 1, KL 0.01",
    arms=regularity_arms,
    dataset="hippocampus",
    budget="search",
    selects=True,
    measure_cost=False,
)
