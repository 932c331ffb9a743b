"""The three-path U-Net in which fusion strategies differ only by their plan.

Source: Meng et al. 2025, "AutoFuse", section 3, both variants. Coarse-to-fine decoding is ours, in the line of Mok and
Chung 2020 (LapIRN) and Meng et al. 2022 (NICE-Net): each stage of the decoder predicts what the coarser ones left.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from fusemorph.data.given import Given
from fusemorph.fusion.alignment import Alignment, swap
from fusemorph.fusion.elk import ElkBlock
from fusemorph.fusion.operator import Features, GateSettings, build_operator
from fusemorph.fusion.plan import (
    PREDICTING,
    STAGES,
    gated_stages,
    is_coarse_to_fine,
    joint_stages,
    live_stages,
    parse_plan,
    single_stages,
    stage_symbols,
)
from fusemorph.fusion.rereading import Rereading
from fusemorph.fusion.segmentation import (
    Segmentation,
    SegmentationHead,
    SegmentationInput,
    SegmentationNetwork,
    as_input,
    effective,
    joint_sees_images,
    rereading_stages,
    single_channels,
)
from fusemorph.fusion.swin_path import SwinPath, heads_for
from fusemorph.fusion.unet_path import HALVINGS, LEVEL, UNetPath
from fusemorph.integrate import exponential, resize_displacement
from fusemorph.networks.head import ResidualHead, VelocityHead, sample_velocity
from fusemorph.networks.pair_network import PairNetwork
from fusemorph.networks.registration import GateWeights, Registration

Backbone = Literal["convolution", "transformer"]
Channels = tuple[int, ...]

SHARES: dict[Backbone, Channels] = {"convolution": (2, 4, 4, 8, 8), "transformer": (4, 8, 16, 32)}
"""Channels of the joint path for each of AutoFuse's width c: at resolutions 1 to 1/16, without 1 in the transformer."""


def published_channels(width: int, *, backbone: Backbone = "convolution") -> Channels:
    """Channels of the joint path for AutoFuse's width c (the paper's is 16); the single-image path has half.

    The transformer's are those of its own w = 2c, so that both backbones are as wide at 1/2 of the resolution.
    """
    return tuple(share * width for share in SHARES[backbone])


def check_channels(channels: Channels, *, backbone: Backbone, caller: str) -> None:
    """Refuse an unknown backbone, or channels that its paths cannot be built with.

    Raises:
        ValueError: the message begins with the ``caller``.
    """
    if backbone not in SHARES:
        raise ValueError(f"{caller}(): 'backbone' must be one of {', '.join(SHARES)}, got {backbone!r}")
    resolutions = len(SHARES[backbone])
    if len(channels) != resolutions or any(count < 2 or count % 2 for count in channels):
        raise ValueError(
            f"{caller}(): 'channels' must be even and positive at the {resolutions} resolutions of the {backbone} "
            f"backbone, got {channels}"
        )


class FusionNetwork(PairNetwork):
    """A registration network that fuses the two images, and decodes, as its plan says.

    Paths of either ``backbone`` have the same stages, operators and head. Dead stages are neither built nor computed.
    Images of any shape from 8 voxels a side are padded inside and the displacement cropped. ``checkpointing`` computes
    the blocks again in the backward pass to save memory; results are the same. ``segmentation``: how label maps of
    ``classes`` classes, background included, are predicted and help, see ``fusemorph.fusion.segmentation``.
    """

    def __init__(
        self,
        *,
        dims: int,
        plan: str,
        channels: Channels,
        backbone: Backbone = "convolution",
        refine: bool = True,
        gate: GateSettings | None = None,
        checkpointing: bool = False,
        segmentation: Segmentation = "none",
        classes: int = 0,
        segmentation_input: SegmentationInput = "soft",
    ) -> None:
        super().__init__(dims=dims)
        self.plan = parse_plan(plan)
        # Looked up once: what compiles the network cannot follow the catalogue of operators.
        self.stages, self.coarse_to_fine = tuple(sorted(live_stages(self.plan))), is_coarse_to_fine(self.plan)
        self.checkpointing = checkpointing
        check_channels(channels, backbone=backbone, caller="FusionNetwork")
        self.segmentation, self.segmentation_input = effective(segmentation, self.plan), segmentation_input
        self.single, self.joint = self._paths(channels, backbone)
        self.operators, self.refinements = nn.ModuleDict(), nn.ModuleDict()
        self.rereadings, self.residuals = nn.ModuleDict(), nn.ModuleDict()
        self.gate = gate or GateSettings()
        for stage in self.stages:
            count, key = channels[LEVEL[stage]], str(stage)
            self.operators[key] = build_operator(
                stage_symbols(self.plan)[stage - 1], dims=dims, channels=count, gate=self.gate
            )
            if refine:
                self.refinements[key] = ElkBlock(dims=dims, channels=count)
            if stage in rereading_stages(self.plan):
                self.rereadings[key] = Rereading(dims=dims, channels=count, images=2 * self._seen)
            if self.coarse_to_fine and stage in PREDICTING[:-1]:
                self.residuals[key] = ResidualHead(dims=dims, channels=count)
        self.head = VelocityHead(dims=dims, channels=channels[LEVEL[STAGES[-1]]])
        self.classes = classes
        # Last, so that what registers begins with the weights that it has without.
        self.segments: SegmentationHead | SegmentationNetwork | None = None
        if segmentation_input in get_args(Given):
            self.inputs = 2
        elif self.segmentation != "none":
            kind = SegmentationHead if self._shares else SegmentationNetwork
            self.segments = kind(dims=dims, channels=single_channels(channels), classes=classes)

    @property
    def _shares(self) -> bool:
        """Whether the single-image path segments too."""
        return self.segmentation in ("feature", "all")

    @property
    def _seen(self) -> int:
        """Channels of an image as the joint path sees it: with its predicted segmentation, if that is an input."""
        return 2 if self.segmentation in ("input", "all") and joint_sees_images(self.plan) else 1

    def _paths(self, channels: Channels, backbone: Backbone) -> tuple[UNetPath | SwinPath, UNetPath | SwinPath]:
        """The single-image and the joint path; one that segments has all stages, and convolutions as published."""

        def path(inputs: int, path_channels: Channels, stages: Collection[int]) -> UNetPath | SwinPath:
            if backbone == "convolution" or len(path_channels) > len(channels):
                return UNetPath(dims=self.dims, inputs=inputs, channels=path_channels, stages=stages)
            return SwinPath(
                dims=self.dims, inputs=inputs, channels=path_channels, heads=heads_for(channels), stages=stages
            )

        if self._shares:
            single = path(1, single_channels(channels), STAGES)
        else:
            fed = self.segmentation == "input" and self._seen == 1
            single = path(2 if fed else 1, tuple(count // 2 for count in channels), single_stages(self.plan))
        return single, path(2 * self._seen, channels, joint_stages(self.plan))

    def rate_of(self, name: str) -> float:
        """Learning rate of a parameter, as a multiple of the budget's."""
        return self.gate.rate if name.startswith("operators.") and "logit" in name else 1.0

    def hold_gates(self, weights: Mapping[int, Mapping[str, float]]) -> None:
        """Use these weights, by stage and candidate, in place of predicted ones; none of them sets the gates free."""
        for stage, card in gated_stages(self.plan).items():
            held = weights.get(stage)
            self.operators[str(stage)].held = held and tuple(held[name] for name in card.weighs)  # type: ignore[assignment]

    def align(
        self, fixed: Float[Tensor, "b n *s"], moving: Float[Tensor, "b n *s"], generator: torch.Generator | None
    ) -> Registration:
        """Predict the transformation on the padded grid.

        With a ``generator`` the velocity is sampled and hard gates are noisy, as in training; without, both take
        their mean or most likely value.
        """
        of_both, logits, seen = self._look(torch.cat((fixed, moving)))
        singles = {stage: (feature[: len(fixed)], feature[len(fixed) :]) for stage, feature in of_both.items()}
        seen_fixed, seen_moving = seen.chunk(2)
        registration = self._register(seen_fixed, seen_moving, singles, generator)
        if logits is None:
            return registration
        of_fixed, of_moving = logits.chunk(2)
        return replace(registration, segmentation=(of_fixed, of_moving))

    def align_both(
        self, first: Float[Tensor, "b n *s"], second: Float[Tensor, "b n *s"], generator: torch.Generator | None
    ) -> Registration:
        """Both directions; the single-image path sees each image once."""
        features, logits, seen = self._look(torch.cat((first, second)))
        singles = {stage: (feature, swap(feature)) for stage, feature in features.items()}
        registration = self._register(seen, swap(seen), singles, generator)
        return registration if logits is None else replace(registration, segmentation=(logits, swap(logits)))

    def _look(self, images: Float[Tensor, "b2 n *s"]) -> tuple[dict[int, Tensor], Tensor | None, Tensor]:
        """Each image by itself: its single-image features, the logits of its segmentation, and what of it the joint
        path sees."""
        if self.inputs == 2:
            given = images[:, 1:] if images.shape[1] == 2 else torch.zeros_like(images)
            fed = torch.cat((images[:, :1], given / self.classes), dim=1)
            alone = self._seen == 2
            return self._single_features(images[:, :1] if alone else fed), None, fed if alone else images[:, :1]
        if self.segments is None:
            return self._single_features(images), None, images
        if self._shares:
            features = self._single_features(images)
            logits: Tensor = self._run(self.segments, features[STAGES[-1]], features[0])
        else:
            logits = self._run(self.segments, images)
        fed = images
        if self.segmentation in ("input", "all"):
            fed = torch.cat((images, as_input(logits, form=self.segmentation_input)), dim=1)
        if not self._shares:
            features = self._single_features(fed if self._seen == 1 else images)
        return features, logits, fed if self._seen == 2 else images

    def _register(
        self,
        fixed: Tensor,
        moving: Tensor,
        singles: Mapping[int, tuple[Tensor, Tensor]],
        generator: torch.Generator | None,
    ) -> Registration:
        """Fuse stage by stage; in a coarse-to-fine decoder each stage adds to the velocity that warps for the next."""
        alignment = Alignment(fixed, moving)
        mixed: dict[int, Tensor] = {}
        gates: dict[int, GateWeights] = {}
        if 1 in self.joint:
            mixed[0] = self._run(self.joint.begin, torch.cat((fixed, moving), dim=1))
        for stage in self.stages:
            key = str(stage)
            if self.coarse_to_fine and stage in PREDICTING:
                alignment.enter(HALVINGS[stage])
            features = self._features(stage, mixed, singles, alignment)
            # Not recomputed under checkpointing: a hard gate must see the same noise once.
            feature, weights = self.operators[key](features, generator=generator)
            if key in self.refinements:
                feature = self._run(self.refinements[key], feature)
            mixed[stage] = feature
            if weights is not None:
                gates[stage] = weights
            if key in self.residuals:
                alignment.add(self._run(self.residuals[key], feature), remember=generator is not None)
        velocity, log_variance = self._run(self.head, mixed[STAGES[-1]])
        velocity = alignment.add(velocity)
        displacement = exponential(sample_velocity(velocity, log_variance, generator))
        return Registration(
            displacement=resize_displacement(displacement, tuple(fixed.shape[2:])),
            velocity=velocity,
            log_variance=log_variance,
            gates=gates,
            coarser=alignment.coarser,
        )

    def _features(
        self,
        stage: int,
        mixed: dict[int, Tensor],
        singles: Mapping[int, tuple[Tensor, Tensor]],
        alignment: Alignment,
    ) -> Features:
        """What the stage's operator reads."""
        of_fixed = of_moving = joint = None
        if stage in singles:
            of_fixed, of_moving = singles[stage]
            of_moving = alignment.warp(of_moving)
        if stage in self.joint:
            joint = self._run(self.joint.stage, stage, mixed)
            if str(stage) in self.rereadings:
                warped = alignment.warp(alignment.moving)
                joint = self._run(self.rereadings[str(stage)], joint, alignment.fixed, warped)
        return Features(joint, of_fixed, of_moving)

    def _single_features(self, images: Float[Tensor, "b2 _ *s"]) -> dict[int, Tensor]:
        """Features of fixed and moving, stacked along the batch: one pass for both, normalised per image."""
        features: dict[int, Tensor] = {}
        if 1 in self.single:
            features[0] = self._run(self.single.begin, images)
        for stage in STAGES:
            if stage in self.single:
                features[stage] = self._run(self.single.stage, stage, features)
        return features

    def _run(self, block: Callable[..., Any], *inputs: Any) -> Any:
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(block, *inputs, use_reentrant=False, preserve_rng_state=False)
        return block(*inputs)
