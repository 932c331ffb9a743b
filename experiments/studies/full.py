"""Where to fuse, how gates weigh, and how wide, under which objective and learning rate: all at once."""

from experiments.studies.fusion import TUNED, named_plans
from experiments.study import SearchStudy
from fusemorph.configuration import Budget
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.method import Fusion
from nas import spaces
from nas.space import Space


def space(budget: Budget, operators: str) -> Space:
    """Plans over the operators, gate settings, width, NCC window, regularisation weight and learning rate."""
    base = Fusion(plan="autofuse", channels=published_channels(budget.width), loss=TUNED)
    return spaces.full(base.configuration(), operators)


STUDY = SearchStudy(
    question="What does the best network look like when fusion, width, objective and rate are free together?",
    protocol=(
        "Configurations differ in capacity and objective: the winner is a recipe, and no evidence for its fusion.",
        "A random search of the same size, from the same space, stands beside the search.",
    ),
    space=space,
    comparison_arms=named_plans,
    trials=100,
)
