"""The three-path U-Net in which early, middle, late and AutoFuse fusion differ only by their plan.

Source: Meng et al. 2025, "AutoFuse", section 3, convolutional variant.
"""

from collections.abc import Callable, Collection
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from fusemorph.fusion.operator import Features, GateSettings, GateWeights, build_operator
from fusemorph.fusion.plan import STAGES, joint_stages, live_stages, parse_plan, single_stages
from fusemorph.fusion.refinement import Refinement
from fusemorph.integrate import exponential, resize_displacement
from fusemorph.networks.blocks import ConvBlock, downsample, upsample
from fusemorph.networks.head import VelocityHead, sample_velocity
from fusemorph.networks.pair_network import PairNetwork
from fusemorph.networks.registration import Registration

_LEVEL = {1: 1, 2: 2, 3: 3, 4: 4, 5: 3, 6: 2, 7: 1}  # halvings of the resolution at each stage
_SKIP = {5: 3, 6: 2, 7: 1}
_DESCENDING = (1, 2, 3, 4)

Channels = tuple[int, int, int, int, int]


def published_channels(width: int) -> Channels:
    """Channels of the joint path at resolutions 1 to 1/16 for AutoFuse's width c; the single-image path has half."""
    return (2 * width, 4 * width, 4 * width, 8 * width, 8 * width)


class UNetPath(nn.Module):
    """The U-Net blocks of one path, only those stages that are needed."""

    def __init__(self, *, dims: int, inputs: int, channels: Channels, stages: Collection[int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleDict()
        if 1 in stages:
            self.blocks["0"] = ConvBlock(dims, inputs, channels[0])
        for stage in sorted(stages):
            before = channels[_LEVEL.get(stage - 1, 0)]
            skipped = channels[_LEVEL[_SKIP[stage]]] if stage in _SKIP else 0
            self.blocks[str(stage)] = ConvBlock(dims, before + skipped, channels[_LEVEL[stage]])

    def __contains__(self, stage: int) -> bool:
        return str(stage) in self.blocks

    def full_resolution(self, images: Float[Tensor, "b _ *s"]) -> Float[Tensor, "b _ *s"]:
        return self.blocks["0"](images)  # type: ignore[no-any-return]

    def stage(self, stage: int, features: dict[int, Tensor]) -> Tensor:
        """The stage's feature from those of the stages before it; 0 is full resolution."""
        before = features[stage - 1]
        if stage in _DESCENDING:
            return self.blocks[str(stage)](downsample(before))  # type: ignore[no-any-return]
        return self.blocks[str(stage)](torch.cat((upsample(before), features[_SKIP[stage]]), dim=1))  # type: ignore[no-any-return]


class FusionNetwork(PairNetwork):
    """A registration network that fuses the two images as its plan says.

    Dead stages are neither built nor computed. Images of any shape from 8 voxels a side are padded inside and the
    displacement cropped. ``checkpointing`` computes the blocks again in the backward pass to save memory; results are
    the same.
    """

    def __init__(
        self,
        *,
        dims: int,
        plan: str,
        channels: Channels,
        refine: bool = True,
        gate: GateSettings | None = None,
        checkpointing: bool = False,
    ) -> None:
        super().__init__(dims=dims)
        self.plan = parse_plan(plan)
        self.checkpointing = checkpointing
        if any(count < 2 or count % 2 for count in channels):
            raise ValueError(f"FusionNetwork(): 'channels' must be even and positive, got {channels}")
        single: Channels = tuple(count // 2 for count in channels)  # type: ignore[assignment]
        self.single = UNetPath(dims=dims, inputs=1, channels=single, stages=single_stages(self.plan))
        self.joint = UNetPath(dims=dims, inputs=2, channels=channels, stages=joint_stages(self.plan))
        self.operators, self.refinements = nn.ModuleDict(), nn.ModuleDict()
        for stage in sorted(live_stages(self.plan)):
            count = channels[_LEVEL[stage]]
            symbol = self.plan[stage - 1]
            self.operators[str(stage)] = build_operator(symbol, dims=dims, channels=count, gate=gate or GateSettings())
            if refine:
                self.refinements[str(stage)] = Refinement(dims=dims, channels=count)
        self.head = VelocityHead(dims=dims, channels=channels[_LEVEL[STAGES[-1]]])

    def align(
        self, fixed: Float[Tensor, "b 1 *s"], moving: Float[Tensor, "b 1 *s"], generator: torch.Generator | None
    ) -> Registration:
        """Predict the transformation on the padded grid.

        With a ``generator`` the velocity is sampled and hard gates are noisy, as in training; without, both take
        their mean or most likely value.
        """
        feature, gates = self._fuse(fixed, moving, generator)
        velocity, log_variance = self._run(self.head, feature)
        displacement = exponential(sample_velocity(velocity, log_variance, generator))
        displacement = resize_displacement(displacement, tuple(fixed.shape[2:]))
        return Registration(displacement=displacement, velocity=velocity, log_variance=log_variance, gates=gates)

    def _fuse(
        self, fixed: Tensor, moving: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, dict[int, GateWeights]]:
        """The last stage's mixed feature, and the weights of the gates on the way."""
        singles = self._single_features(torch.cat((fixed, moving)))
        mixed: dict[int, Tensor] = {}
        gates: dict[int, GateWeights] = {}
        if 1 in self.joint:
            mixed[0] = self._run(self.joint.full_resolution, torch.cat((fixed, moving), dim=1))
        for stage in sorted(live_stages(self.plan)):
            of_fixed, of_moving = singles[stage].chunk(2) if stage in singles else (None, None)
            joint = self._run(self.joint.stage, stage, mixed) if stage in self.joint else None
            # Not recomputed under checkpointing: a hard gate must see the same noise once.
            feature, weights = self.operators[str(stage)](Features(joint, of_fixed, of_moving), generator=generator)
            if str(stage) in self.refinements:
                feature = self._run(self.refinements[str(stage)], feature)
            mixed[stage] = feature
            if weights is not None:
                gates[stage] = weights
        return mixed[STAGES[-1]], gates

    def _single_features(self, images: Float[Tensor, "b2 1 *s"]) -> dict[int, Tensor]:
        """Features of fixed and moving, stacked along the batch: one pass for both, normalised per image."""
        features: dict[int, Tensor] = {}
        if 1 in self.single:
            features[0] = self._run(self.single.full_resolution, images)
        for stage in STAGES:
            if stage in self.single:
                features[stage] = self._run(self.single.stage, stage, features)
        return features

    def _run(self, block: Callable[..., Any], *inputs: Any) -> Any:
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(block, *inputs, use_reentrant=False, preserve_rng_state=False)
        return block(*inputs)
