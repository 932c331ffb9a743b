"""One plan trained on from the weights that a supernet has for it, in place of fresh ones.

Source: the fine-tuning of Bender et al. 2018, "Understanding and Simplifying One-Shot Architecture Search", ICML; of
Guo et al. 2020, arXiv 1904.00420, it differs in that they train the best anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.configuration import BUDGETS, Budget, written_settings
from fusemorph.data.dataset import Pair
from fusemorph.fusion.fusion_network import FusionNetwork
from fusemorph.fusion.method import Fusion
from fusemorph.losses.training_loss import TrainingLoss
from fusemorph.method import Method, MethodOfAnother
from fusemorph.networks.registration import Registration
from nas.supernet import Supernet


@dataclass(frozen=True, kw_only=True)
class FineTuned(MethodOfAnother):
    """The network of a ``plan``, trained from the weights of the supernet ``of``.

    That was trained with ``supernet_budget`` and ``supernet_seed`` on the same data.
    """

    name: ClassVar[str] = "fine_tuned"
    source: ClassVar[str] = "Bender et al. 2018, Understanding and Simplifying One-Shot Architecture Search, ICML"

    of: Supernet = field(default_factory=Supernet)
    plan: str = "ggggggg"
    supernet_budget: Budget = BUDGETS["search"]
    supernet_seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "plan", self.alone.plan)
        if self.plan not in self.of.all_plans():
            raise ValueError(f"FineTuned(): 'plan' must be one of the supernet's, got {self.plan!r}")

    @property
    def alone(self) -> Fusion:
        """The method of the plan."""
        return self.of.alone(self.plan)

    @property
    def objective(self) -> TrainingLoss:
        """The loss that trains the plan, which trained the supernet."""
        return self.of.objective

    @property
    def begins_with(self) -> Mapping[str, Any]:
        """The trial of the supernet."""
        budget = written_settings(self.supernet_budget)
        return {"method": self.of.configuration(), "budget": budget, "seed": self.supernet_seed}

    def take_over(self, network: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Bring what the supernet has learned for the plan into its network."""
        assert isinstance(network, FusionNetwork)
        supernet = self.of.network(network.dims)
        supernet.load_state_dict(weights)
        network.load_state_dict(supernet.cut(self.plan).state_dict())

    def network(self, dims: int) -> FusionNetwork:
        """A freshly initialised network of the plan."""
        return self.alone.network(dims)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Method:
        budget = settings.get("supernet_budget")
        return super().from_settings({**settings, **({"supernet_budget": Budget(**budget)} if budget else {})})

    def register(self, pair: Pair, *, network: nn.Module | None, device: torch.device) -> Float[Tensor, "1 d *s"]:
        return self.alone.register(pair, network=network, device=device)

    def registration(self, pair: Pair, *, network: nn.Module | None, device: torch.device) -> Registration:
        return self.alone.registration(pair, network=network, device=device)
