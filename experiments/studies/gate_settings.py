"""Do gates choose? Their settings one at a time, for gates of two and of three, beside the same candidates without
weights."""

from collections.abc import Mapping, Sequence
from typing import Any

from baselines.identity import Identity
from experiments.studies.fusion import TUNED
from experiments.study import Arm, Study
from fusemorph.configuration import Budget
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.method import Fusion
from fusemorph.fusion.operator import GateSettings

PLANS = {"gates of two": "ggg/gggg", "gates of three": "ggg/qqqq"}
CONTROLS = {"sum of two": "ppp/pppp", "average of three": "ppp/eeee"}
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "published": {},
    "rate 10": {"rate": 10.0},
    "rate 30": {"rate": 30.0},
    "one weight a voxel": {"granularity": "voxel"},
    "one weight a channel": {"granularity": "channel"},
    "one weight a stage": {"granularity": "scalar"},
    "sigmoid": {"normalisation": "sigmoid"},
    "temperature 0.5": {"temperature": 0.5},
    "hard": {"hard": True},
    "hard, rate 30": {"hard": True, "rate": 30.0},
}


def gate_arms(shape: tuple[int, ...], budget: Budget) -> Sequence[Arm]:
    """Both kinds of gates under every change, and the fixed mixes of the same candidates."""
    channels = published_channels(budget.width)
    arms = [Arm(label="identity", group="floor", method=Identity())]
    for label, plan in CONTROLS.items():
        arms.append(Arm(label=label, group="without weights", method=Fusion(plan=plan, channels=channels, loss=TUNED)))
    for label, plan in PLANS.items():
        for name, change in CHANGES.items():
            method = Fusion(plan=plan, channels=channels, loss=TUNED, gate=GateSettings(**change))
            arms.append(Arm(label=f"{label}, {name}", group=label, method=method))
    return arms


STUDY = Study(
    question="Do Fusion Gates choose between their candidates, and does choosing help?",
    protocol=(
        "All arms decode coarse to fine, under one recipe; gates of two weigh joint and single, gates of three joint, "
        "single and correlation.",
        "The arms without weights mix the same candidates in equal parts.",
        "Each trained network is also measured with every gate held at its mean weights.",
    ),
    reference="sum of two",
    arms=gate_arms,
    dataset="hippocampus",
    budget="search",
    measure_cost=False,
)
