"""``gate``: AutoFuse's Fusion Gate, a learned mix of the joint and the fused single-image feature.

Source: Meng et al. 2025, "AutoFuse", section 3.2. Deviations are settings, see ``GateSettings``.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.fusion.operator import Features, GateSettings
from fusemorph.fusion.operators.single import Single
from fusemorph.networks.blocks import convolution
from fusemorph.networks.registration import GateWeights

SYMBOL = "g"
READS = ("joint", "fixed", "moving")
_KEPT = {"scalar": (), "channel": (1,), "voxel": (2, 3, 4), "voxel_channel": (1, 2, 3, 4)}


class Gate(nn.Module):
    """mixed = w_joint * joint + w_single * single, with weights predicted from both features."""

    def __init__(self, *, dims: int, channels: int, gate: GateSettings) -> None:
        super().__init__()
        self.settings = gate
        self.single = Single(dims=dims, channels=channels, gate=gate)
        self.joint_logit = convolution(dims, 2 * channels, channels, kernel=1)
        self.single_logit = convolution(dims, 2 * channels, channels, kernel=1)
        for logit, sign in ((self.joint_logit, 1), (self.single_logit, -1)):
            nn.init.zeros_(logit.weight)
            if gate.initial_bias is not None and logit.bias is not None:
                nn.init.constant_(logit.bias, sign * gate.initial_bias)

    def forward(self, features: Features, *, generator: torch.Generator | None) -> tuple[Tensor, GateWeights | None]:
        assert features.joint is not None
        single, _ = self.single(features, generator=generator)
        joint = features.joint.to(single.dtype)  # under autocast, a transformer's residuals are in full precision
        both = torch.cat((joint, single), dim=1)
        logits = self._pool(self.joint_logit(both)), self._pool(self.single_logit(both))
        if self.settings.normalisation == "sigmoid":
            weights = GateWeights(*(self._sigmoid(logit, generator) for logit in logits))
            mixed = weights.joint * joint + weights.single * single
        else:
            # The softmax over two logits is the sigmoid of their difference: stable in half precision.
            of_joint = self._sigmoid(logits[0] - logits[1], generator)
            weights = GateWeights(of_joint, 1 - of_joint)
            mixed = torch.lerp(single, joint, of_joint.expand_as(joint))
        return mixed, GateWeights(weights.joint.detach(), weights.single.detach())

    def _pool(self, logit: Float[Tensor, "b c *s"]) -> Float[Tensor, "b _ *t"]:
        dropped = [axis for axis in range(1, logit.dim()) if axis not in _KEPT[self.settings.granularity]]
        return logit.mean(dropped, keepdim=True) if dropped else logit

    def _sigmoid(self, logit: Float[Tensor, "b c *s"], generator: torch.Generator | None) -> Float[Tensor, "b c *s"]:
        if not self.settings.hard:
            return torch.sigmoid(logit / self.settings.temperature)
        if generator is None:
            return (logit >= 0).to(logit.dtype)
        # The difference of two Gumbel variables is logistic, so one draw serves the two-way choice.
        uniform = torch.rand(logit.shape, generator=generator, device=logit.device).clamp(1e-6, 1 - 1e-6)
        soft = torch.sigmoid((logit.float() + torch.logit(uniform)) / self.settings.temperature)
        straight_through = (soft >= 0.5).float() + soft - soft.detach()
        return straight_through.to(logit.dtype)


def mean_weights(weights: GateWeights) -> tuple[float, float]:
    """Mean weight of the joint and of the single-image feature."""
    return float(weights.joint.float().mean()), float(weights.single.float().mean())


def decode(symbol: str, single_weight: float, *, low: float = 0.3, high: float = 0.7) -> str:
    """The operator that a trained gate amounts to: ``s`` from ``high`` up, ``j`` from ``low`` down, else itself."""
    if symbol != SYMBOL:
        return symbol
    return "s" if single_weight >= high else "j" if single_weight <= low else symbol
