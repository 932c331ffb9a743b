"""The supernet as a method: one network trained for all plans of a space, each step one of them.

Source: Guo et al. 2020, "Single Path One-Shot NAS with Uniform Sampling", arXiv 1904.00420, built from the paper; the
control for it, random search with training, is that of Yu et al. 2020, arXiv 2003.04276.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.data.dataset import Pair
from fusemorph.fusion.fusion_network import FusionNetwork
from fusemorph.fusion.method import Fusion
from fusemorph.fusion.plan import enumerate_plans, gated_stages, live_stages, parse_plan
from fusemorph.fusion.plan_draws import DRAWS, Draw
from fusemorph.fusion.supernet_network import SupernetNetwork
from fusemorph.losses.training_loss import TrainingLoss
from fusemorph.method import MethodOfAnother
from fusemorph.networks.registration import Registration


@dataclass(frozen=True, kw_only=True)
class Supernet(MethodOfAnother):
    """All plans of a space with shared weights, trained as the networks of ``of`` are, one plan a step.

    ``of``: what the plans have in common, and with its plan the one that registers and is validated in training.
    ``operators``: symbols that each stage may take, as ``enumerate_plans`` reads them. ``plans``: these plans alone; by
    default all over the operators. ``draw``: how the plan of a step is drawn, see ``PlanDraws``.
    """

    name: ClassVar[str] = "supernet"
    source: ClassVar[str] = "Guo et al. 2020, Single Path One-Shot NAS with Uniform Sampling, arXiv 1904.00420"

    of: Fusion = field(default_factory=Fusion)
    operators: str = "jsg"
    plans: tuple[str, ...] = ()
    draw: Draw = "uniform"

    def __post_init__(self) -> None:
        plans = tuple(sorted({parse_plan(plan) for plan in self.plans}))
        whole = enumerate_plans(self.operators) if self.operators else ()
        object.__setattr__(self, "plans", () if plans == whole else plans)
        if self.plans:
            object.__setattr__(self, "operators", "")
        if self.draw not in DRAWS:
            raise ValueError(f"Supernet(): 'draw' must be one of {', '.join(DRAWS)}, got {self.draw!r}")
        if self.of.segmentation != "none":
            raise ValueError(f"Supernet(): 'of' must segment nothing, got segmentation {self.of.segmentation!r}")
        if self.of.plan not in self.all_plans():
            held = f"{len(self.all_plans())} plans"
            raise ValueError(f"Supernet(): the plan of 'of' must be one of its {held}, got {self.of.plan!r}")

    def all_plans(self) -> tuple[str, ...]:
        """The canonical plans that it holds."""
        return self.plans or (enumerate_plans(self.operators) if self.operators else ())

    @property
    def plan(self) -> str:
        """The plan that registers."""
        return self.of.plan

    @property
    def objective(self) -> TrainingLoss:
        """The loss that trains each plan."""
        return self.of.objective

    def network(self, dims: int) -> SupernetNetwork:
        """A freshly initialised supernet for 2-D or 3-D images."""

        def make(plan: str) -> FusionNetwork:
            return self.alone(plan).network(dims)

        return SupernetNetwork(dims=dims, plans=self.all_plans(), plan=self.of.plan, make=make, draw=self.draw)

    def alone(self, plan: str) -> Fusion:
        """The method of one plan, as it is trained without sharing."""
        return replace(self.of, plan=plan)

    def register(self, pair: Pair, *, network: nn.Module | None, device: torch.device) -> Float[Tensor, "1 d *s"]:
        return self.of.register(pair, network=network, device=device)

    def registration(self, pair: Pair, *, network: nn.Module | None, device: torch.device) -> Registration:
        return self.of.registration(pair, network=network, device=device)


def largest_plan(plans: tuple[str, ...]) -> str:
    """The plan with the most gates, then the most live stages; of several the last by text.

    Gate settings are those of a plan with gates alone, so that a supernet with gates needs one to name its own by.
    """
    return max(plans, key=lambda plan: (len(gated_stages(plan)), len(live_stages(plan)), plan))
