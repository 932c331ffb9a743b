"""What are labels worth, and how should segmentation help? Strategies over numbers of labelled subjects."""

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from baselines.cross_stitch import CrossStitch
from baselines.daff import Daff
from baselines.deepatlas import DeepAtlas
from baselines.greedy import Greedy
from baselines.identity import Identity
from baselines.pc_reg import PcReg
from baselines.segmentation_alone import SegmentationAlone
from baselines.shared_encoder import SharedEncoder
from baselines.voxelmorph_semi import VoxelMorphSemi
from experiments.studies.baselines import with_recipe
from experiments.studies.fusion import TUNED
from experiments.study import Arm, SearchStudy, Study
from fusemorph.complexity import count_parameters
from fusemorph.configuration import Budget, written_settings
from fusemorph.data.given import Given
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.method import Fusion
from fusemorph.fusion.segmentation import Segmentation
from fusemorph.losses import Supervision
from fusemorph.method import load_method
from nas.space import Choice, Space

PLAN = "c2f-autofuse"
STRATEGIES: tuple[Segmentation, ...] = get_args(Segmentation)
CORRECTED = replace(
    TUNED,
    kl_weight=0.01,
    dice_weight=1.0,
    supervision=Supervision(segmentation_weight=1.0, fixed_labels_weight=1.0, moving_labels_weight=1.0),
)
"""Predictions stand in, detached, where labels are missing; label maps are warped linearly."""
PUBLISHED = replace(
    CORRECTED,
    supervision=Supervision(
        segmentation_weight=1.0, fixed_labels_weight=1.0, moving_labels_weight=1.0, stand_ins="always",
        detached=False, focal_weight=1.0, label_warp="nearest",
    ),
)  # fmt: skip
"""AutoFuse-Semi's five terms as its public code has them."""


def strategy_arms(budget: Budget) -> list[Arm]:
    """The family: labels in the loss alone, and the four ways in which segmentation helps; the published form."""
    channels = published_channels(budget.width)
    methods = {name: Fusion(plan=PLAN, channels=channels, loss=CORRECTED, segmentation=name) for name in STRATEGIES}
    arms = [
        Arm(label=name, group="strategy", method=methods[name], needs_labels="some" if name == "loss" else "none")
        for name in STRATEGIES
    ]
    published = replace(methods["all"], segmentation_input="argmax", loss=PUBLISHED)
    arms.append(Arm(label="all, published terms", group="published", method=published, needs_labels="some"))
    direct = replace(published, plan="autofuse")
    return [*arms, Arm(label="AutoFuse-Semi", group="published", method=direct, needs_labels="some")]


BASELINES = (VoxelMorphSemi, DeepAtlas, SharedEncoder, CrossStitch, PcReg, Daff)


def baseline_arms(budget: Budget, dims: int) -> list[Arm]:
    """The published methods as their papers have them, and as wide as makes them the size of ``all``."""
    arms = [Arm(label=kind.name, group="baseline", method=with_recipe(kind())) for kind in BASELINES]
    target = count_parameters(strategy_arms(budget)[4].method, dims)
    for kind in BASELINES:
        sizes = {width: count_parameters(kind(width=width), dims) for width in range(2, 33)}
        width = min(sizes, key=lambda candidate: abs(sizes[candidate] / target - 1))
        method = with_recipe(kind(width=width))
        arms.append(Arm(label=f"{kind.name}, parameters", group="baseline, matched", method=method))
    return [replace(arm, needs_labels="some") for arm in arms]


def control_arms(budget: Budget) -> list[Arm]:
    """Input fusion with the true label maps in place of predictions, its upper bound, and with another subject's."""
    channels = published_channels(budget.width)
    labels = {"true": "input, true segmentation", "another": "input, another subject's segmentation"}
    shown = [
        (source, Fusion(plan=PLAN, channels=channels, loss=CORRECTED, segmentation="input", segmentation_input=source))
        for source in get_args(Given)
    ]
    return [Arm(label=labels[source], group="control", method=method, needs_labels="all") for source, method in shown]


def semi_arms(shape: tuple[int, ...], budget: Budget) -> Sequence[Arm]:
    """The family and its controls."""
    alone = SegmentationAlone(width=budget.width)
    return [
        Arm(label="identity", group="floor", method=Identity()),
        Arm(label="greedy", group="control", method=Greedy()),
        *strategy_arms(budget),
        *control_arms(budget),
        Arm(label="segmentation alone", group="control", method=alone, needs_labels="some"),
        *baseline_arms(budget, len(shape)),
    ]


def semi_supervised(study: SearchStudy) -> SearchStudy:
    """A search with labels: how segmentation helps is searched beside what the study varies, under the losses of the
    study ``semi``, whose strategies are the arms of comparison."""

    def space(budget: Budget, operators: str) -> Space:
        fused = study.space(budget, operators)
        base = load_method(fused.base | {"segmentation": "all", "loss": written_settings(CORRECTED)})
        return Space(base.configuration(), fused.operators, (*fused.parameters, Choice("segmentation", STRATEGIES)))

    return replace(
        study,
        question=f"{study.question} And how should segmentation help?",
        protocol=(*study.protocol, "Labels take part, and how segmentation helps is searched, too."),
        space=space,
        comparison_arms=strategy_arms,
    )


STUDY = Study(
    question="What are labels of some training subjects worth, and how should segmentation help registration?",
    protocol=(
        "The labelled subjects are nested and the same for every arm and seed; val and test keep their labels.",
        "“none” has labels in the loss alone, and without labels is the unsupervised arm, given the same steps; so "
        "would “loss” be, whose two networks meet in the losses alone.",
        "Registration Dice is of warped moving labels, segmentation Dice of what the head predicts: two tasks, apart.",
        "The controls of input fusion are shown label maps in place of predictions, in val and test too: the pair's "
        "own, an upper bound, or another subject's, which say nothing of the pair.",
        "Labels reward rough fields: compare arms at their SD of the log Jacobian, too.",
    ),
    reference="none, unlabelled",
    arms=semi_arms,
    budget="search",
    labels=("0", "5", "25%", "100%"),
    measure_cost=False,
)
