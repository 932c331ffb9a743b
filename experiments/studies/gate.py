"""How should Fusion Gates weigh? A search over their settings, at AutoFuse's plan."""

from experiments.studies.fusion import TUNED, named_plans
from experiments.study import SearchStudy
from fusemorph.configuration import Budget
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.method import Fusion
from nas import spaces
from nas.space import Space


def space(budget: Budget, operators: str) -> Space:
    """Granularity, normalisation, temperature, initial bias and hardness of the gates at all seven stages."""
    base = Fusion(plan="autofuse", channels=published_channels(budget.width), loss=TUNED)
    return spaces.gate(base.configuration())


STUDY = SearchStudy(
    question="Which settings of AutoFuse's Fusion Gates register best?",
    protocol=(
        "All configurations have AutoFuse's plan and parameters; only how the gates weigh differs.",
        "A random search of the same size, from the same space, stands beside the search.",
    ),
    space=space,
    comparison_arms=named_plans,
    trials=20,
)
