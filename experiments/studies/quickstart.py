"""The first run: four coarse-to-fine networks on embedded synthetic brains, in minutes, between floor and ceiling."""

from collections.abc import Sequence

from baselines.identity import Identity
from baselines.oracle import Oracle
from experiments.studies.fusion import coarse_to_fine_plans
from experiments.study import Arm, Study
from fusemorph.configuration import Budget


def quickstart_arms(shape: tuple[int, ...], budget: Budget) -> Sequence[Arm]:
    """Identity, the four coarse-to-fine plans at the published widths, and the true displacement."""
    identity = Arm(label="identity", group="floor", method=Identity())
    oracle = Arm(label="oracle", group="ceiling", method=Oracle())
    return [identity, *coarse_to_fine_plans(budget), oracle]


STUDY = Study(
    question="What do coarse-to-fine fusion networks do with a few minutes of training?",
    protocol=(
        "A demonstration on synthetic data with a known true displacement: it shows that everything works, and is no "
        "evidence for one strategy over another.",
        "All arms share one network family, one objective, one schedule and the same training pairs in the same order.",
    ),
    reference="C2F AutoFuse",
    arms=quickstart_arms,
    dataset_settings={"spacing_mm": 6.0},
    budget="search-300",
    measure_cost=False,
)
