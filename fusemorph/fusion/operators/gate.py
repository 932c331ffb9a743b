"""``gate``: AutoFuse's Fusion Gate, a learned mix of the joint and the fused single-image feature.

Source: Meng et al. 2025, "AutoFuse", section 3.2. Deviations are settings, see ``GateSettings``.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.fusion.operator import Features, GateSettings
from fusemorph.fusion.operators.single import Single
from fusemorph.networks.blocks import convolution, pointwise
from fusemorph.networks.noise import uniform
from fusemorph.networks.registration import GateWeights

SYMBOL = "g"
READS = ("joint", "fixed", "moving")
WEIGHS = ("joint", "single")
DECIDED = 0.9
"""A voxel and channel counts as decided where one candidate has more than this weight."""

_KEPT = {"scalar": (), "channel": (1,), "voxel": (2, 3, 4), "voxel_channel": (1, 2, 3, 4)}


class Gate(nn.Module):
    r"""mixed = w_joint * joint + w_single * single, with weights predicted from both features.

    $$ F = w_J \odot F_J + w_S \odot F_S, \quad (w_J, w_S) = \mathrm{softmax}\left( \frac{(l_J, l_S)}{\tau} \right) $$
    """

    held: tuple[float, ...] | None = None
    """Constant weights that take the place of the predicted ones."""

    def __init__(self, *, dims: int, channels: int, gate: GateSettings) -> None:
        super().__init__()
        self.settings = gate
        self.single = Single(dims=dims, channels=channels, gate=gate)
        self.joint_logit = gate_logit(dims, 2 * channels, channels, gate=gate, sign=1)
        self.single_logit = gate_logit(dims, 2 * channels, channels, gate=gate, sign=-1)

    def forward(self, features: Features, *, generator: torch.Generator | None) -> tuple[Tensor, GateWeights | None]:
        assert features.joint is not None
        single, _ = self.single(features, generator=generator)
        joint = features.joint.to(single.dtype)  # under autocast, a transformer's residuals are in full precision
        if self.held:
            of_joint, of_single = (single.new_full((1,) * single.dim(), weight) for weight in self.held)
            return of_joint * joint + of_single * single, GateWeights(of_joint, of_single)
        both = torch.cat((joint, single), dim=1)
        logits = predict_logits(both, (self.joint_logit, self.single_logit), self.settings)
        if self.settings.normalisation == "sigmoid":
            weights = GateWeights(*(self._sigmoid(logit, generator) for logit in logits))
            mixed = weights.joint * joint + weights.single * single
        else:
            # The softmax over two logits is the sigmoid of their difference: stable in half precision.
            of_joint = self._sigmoid(logits[0] - logits[1], generator)
            weights = GateWeights(of_joint, 1 - of_joint)
            mixed = torch.lerp(single, joint, of_joint.expand_as(joint))
        return mixed, GateWeights(weights.joint.detach(), weights.single.detach())

    def _sigmoid(self, logit: Float[Tensor, "b c *s"], generator: torch.Generator | None) -> Float[Tensor, "b c *s"]:
        if not self.settings.hard:
            return torch.sigmoid(logit / self.settings.temperature)
        if generator is None:
            return (logit >= 0).to(logit.dtype)
        # The difference of two Gumbel variables is logistic, so one draw serves the two-way choice.
        drawn = uniform(logit.shape, generator=generator, device=logit.device).clamp(1e-6, 1 - 1e-6)
        soft = torch.sigmoid((logit.float() + torch.logit(drawn)) / self.settings.temperature)
        straight_through = (soft >= 0.5).float() + soft - soft.detach()
        return straight_through.to(logit.dtype)


def gate_logit(dims: int, inputs: int, channels: int, *, gate: GateSettings, sign: int) -> nn.Conv2d | nn.Conv3d:
    """The 1x1x1 convolution that predicts a candidate's logits: weights zero at first, biases as the settings say."""
    logit = convolution(dims, inputs, channels, kernel=1)
    nn.init.zeros_(logit.weight)
    if gate.initial_bias is not None and logit.bias is not None:
        nn.init.constant_(logit.bias, sign * gate.initial_bias)
    return logit


def predict_logits(
    read: Float[Tensor, "b _ *s"], layers: Iterable[nn.Module], gate: GateSettings
) -> Float[Tensor, "n b _ *t"]:
    """The pooled logits of every candidate, each from its ``gate_logit`` layer; all layers in one product."""
    weights, biases = zip(*((layer.weight, layer.bias) for layer in layers), strict=True)
    joined = pointwise(read, torch.cat(weights), torch.cat(biases))
    return torch.stack([_pool(logit, gate) for logit in joined.chunk(len(weights), dim=1)])


def _pool(logit: Float[Tensor, "b c *s"], gate: GateSettings) -> Float[Tensor, "b _ *t"]:
    """The logits averaged over the axes that the granularity drops."""
    dropped = [axis for axis in range(1, logit.dim()) if axis not in _KEPT[gate.granularity]]
    return logit.mean(dropped, keepdim=True) if dropped else logit


def describe_weights(weights: GateWeights) -> dict[str, float]:
    """What a gate did with one pair: ``NAME_weight``, the mean weight of each candidate; ``spread``, the standard
    deviation of a weight over voxels and channels, mean over candidates; ``decided``, the share of voxels and channels
    in which one candidate has more than 0.9 of the weight."""
    present = {name: weight.float() for name, weight in weights._asdict().items() if weight is not None}
    stacked = torch.stack(torch.broadcast_tensors(*present.values()))  # type: ignore[no-untyped-call]
    means = {f"{name}_weight": float(weight.mean()) for name, weight in present.items()}
    spread = stacked.flatten(1).std(dim=1, correction=0).mean()
    share = stacked / stacked.sum(dim=0).clamp(min=1e-12)
    return means | {"spread": float(spread), "decided": float((share.amax(dim=0) > DECIDED).float().mean())}
