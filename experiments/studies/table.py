"""How good is every plan of a small space? All of them trained to the end, for searches to be replayed on."""

from collections.abc import Sequence

import numpy as np

from baselines.identity import Identity
from experiments.studies.fusion import TUNED
from experiments.study import Arm, Study
from fusemorph.configuration import Budget
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.method import Fusion
from nas.spaces import SPACES


def base_method(budget: Budget) -> Fusion:
    """The network whose plan varies, at the budget's width."""
    return Fusion(plan="c2f-autofuse", channels=published_channels(budget.width), loss=TUNED)


def table_arms(shape: tuple[int, ...], budget: Budget, space: str = "tiny") -> Sequence[Arm]:
    """Identity as the floor, and every plan of the space, in an order that is random and always the same, so that any
    beginning is a sample of the space."""
    base = base_method(budget)
    plans = SPACES[space](base.configuration()).plans()
    order = np.random.default_rng(0).permutation(len(plans))
    arms = [Arm(label="identity", group="floor", method=Identity())]
    for plan in (plans[i] for i in order):
        method = Fusion(plan=plan, channels=base.channels, loss=base.loss)
        arms.append(Arm(label=plan, group="plan", method=method))
    return arms


STUDY = Study(
    question="How well does each plan of a small space register, and can a search, or a cheap estimate, tell?",
    protocol=(
        "Every plan of the space is trained to the end with the same seeds, on the same pairs in the same order.",
        "Plans are judged by val Dice, at quarters of the training; test is never looked at.",
    ),
    reference="identity",
    arms=table_arms,
    dataset="hippocampus",
    budget="table",
    seeds=2,
    selects=True,
    measure_cost=False,
    space="tiny",
)
