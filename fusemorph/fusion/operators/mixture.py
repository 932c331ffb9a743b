"""``mixture``: a gate over three disjoint candidates: joint, single and correlation.

What AutoFuse's gate becomes where the decoder warps: in Meng et al. 2025 the second candidate contains what the first
was made of; here each candidate fuses in another way. Source of the form: Meng et al. 2025, section 3.2, with a
softmax over three as in Jacobs et al. 1991, "Adaptive mixtures of local experts".
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusemorph.fusion.operator import Features, GateSettings
from fusemorph.fusion.operators.correlation import Correlation
from fusemorph.fusion.operators.gate import gate_logit, predict_logits
from fusemorph.fusion.operators.single import Single
from fusemorph.grid import per_axis
from fusemorph.networks.noise import uniform
from fusemorph.networks.registration import GateWeights

SYMBOL = "q"
READS = ("joint", "fixed", "moving")
WEIGHS = ("joint", "single", "correlation")


class Mixture(nn.Module):
    r"""mixed = sum of w_k * candidate_k, with weights predicted from all three candidates.

    $$ F = \sum_{k \in \{J, S, C\}} w_k \odot F_k, \quad w = \mathrm{softmax}(l / \tau) $$
    """

    held: tuple[float, ...] | None = None
    """Constant weights that take the place of the predicted ones."""

    def __init__(self, *, dims: int, channels: int, gate: GateSettings) -> None:
        super().__init__()
        self.settings = gate
        self.single = Single(dims=dims, channels=channels, gate=gate)
        self.correlation = Correlation(dims=dims, channels=channels, gate=gate)
        self.logits = nn.ModuleList(
            gate_logit(dims, len(WEIGHS) * channels, channels, gate=gate, sign=1 if name == "joint" else -1)
            for name in WEIGHS
        )

    def forward(self, features: Features, *, generator: torch.Generator | None) -> tuple[Tensor, GateWeights | None]:
        assert features.joint is not None
        single, _ = self.single(features, generator=generator)
        correlation, _ = self.correlation(features, generator=generator)
        candidates = Candidates(features.joint.to(single.dtype), single, correlation)
        weights = self._hold(candidates) if self.held else self._weigh(torch.cat(candidates, dim=1), generator)
        mixed = weights[0] * candidates.joint + weights[1] * candidates.single + weights[2] * candidates.correlation
        return mixed, GateWeights(*(weight.detach() for weight in weights))

    def _weigh(self, read: Tensor, generator: torch.Generator | None) -> Tensor:
        logits = predict_logits(read, self.logits, self.settings)
        if self.settings.normalisation == "sigmoid":
            return self._pick_each(logits, generator) if self.settings.hard else torch.sigmoid(logits / self._heat)
        if not self.settings.hard:
            return torch.softmax(logits / self._heat, dim=0)
        if generator is None:
            return _one_hot(logits)
        drawn = uniform(logits.shape, generator=generator, device=logits.device).clamp(1e-6, 1 - 1e-6)
        soft = torch.softmax((logits.float() - torch.log(-torch.log(drawn))) / self._heat, dim=0)
        return (_one_hot(soft) + soft - soft.detach()).to(logits.dtype)

    def _pick_each(self, logits: Tensor, generator: torch.Generator | None) -> Tensor:
        """Each candidate in or out by itself."""
        if generator is None:
            return (logits >= 0).to(logits.dtype)
        drawn = uniform(logits.shape, generator=generator, device=logits.device).clamp(1e-6, 1 - 1e-6)
        soft = torch.sigmoid((logits.float() + torch.logit(drawn)) / self._heat)
        return ((soft >= 0.5).float() + soft - soft.detach()).to(logits.dtype)

    @property
    def _heat(self) -> float:
        return self.settings.temperature

    def _hold(self, candidates: "Candidates") -> Tensor:
        assert self.held is not None
        constants = per_axis(self.held, candidates.single)
        return constants.view(-1, *[1] * candidates.single.dim())


class Candidates(NamedTuple):
    """The features that a mixture weighs, ``(b, C, *s)`` each."""

    joint: Tensor
    single: Tensor
    correlation: Tensor


def _one_hot(scores: Tensor) -> Tensor:
    """1 for the candidate with the highest score along the first axis, 0 for the others."""
    return F.one_hot(scores.argmax(dim=0), len(scores)).movedim(-1, 0).to(scores.dtype)
