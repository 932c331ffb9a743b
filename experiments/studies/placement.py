"""Where should a network fuse? A search over the operator of each of the seven stages."""

from experiments.studies.fusion import TUNED, named_plans
from experiments.study import SearchStudy
from fusemorph.configuration import Budget
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.method import Fusion
from nas.space import Space
from nas.spaces import placement


def space(budget: Budget, operators: str) -> Space:
    """Every canonical plan over the operators, at the budget's width."""
    base = Fusion(plan="autofuse", channels=published_channels(budget.width), loss=TUNED)
    return placement(base.configuration(), operators)


STUDY = SearchStudy(
    question="Which operator at which stage registers best?",
    protocol=(
        "Every configuration is trained once on the same pairs in the same order, and judged by val Dice.",
        "A random search of the same size, from the same space, stands beside the search.",
    ),
    space=space,
    comparison_arms=named_plans,
)
