"""The supernet of a set of plans: one network that holds the weights of all of them, shared by stage and operator.

A fusion network is put together of parts: the blocks of both paths, the operator of each stage, its refinement, and so
on. Which parts a plan needs depends on the plan; their shapes depend on the stage alone, so that all plans with the
same operator at a stage can share its part. Norms are instance norms, without statistics that would have to be
estimated again for each plan.

Source: Guo et al. 2020, "Single Path One-Shot NAS with Uniform Sampling", arXiv 1904.00420.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.fusion.fusion_network import FusionNetwork
from fusemorph.fusion.operator import GateSettings
from fusemorph.fusion.plan import DEAD, STAGES, stage_symbols
from fusemorph.fusion.plan_draws import Draw, PlanDraws
from fusemorph.networks.pair_network import PairNetwork
from fusemorph.networks.registration import Registration

_OPERATOR = "operators_"


class SupernetNetwork(PairNetwork):
    """All ``plans`` with shared weights; ``make`` builds the network of one of them.

    With a ``generator``, as in training, it runs the plan drawn for the step; without, ``plan``, one of the plans,
    which may be set. What is drawn follows from the seed of the initial weights and the step. Weights that a step does
    not use get no gradient and keep their moments.
    """

    def __init__(
        self,
        *,
        dims: int,
        plans: Sequence[str],
        plan: str,
        make: Callable[[str], FusionNetwork],
        draw: Draw = "uniform",
    ) -> None:
        super().__init__(dims=dims)
        self.plans, self.plan, self.drawn = tuple(plans), plan, plan
        self.checkpointing = False
        self.gate = GateSettings()
        self.parts = nn.ModuleDict()
        self._make = make
        self._networks: dict[str, FusionNetwork] = {}
        for each in covering(self.plans):
            network = make(each)
            self.gate = network.gate if network.gate != GateSettings() else self.gate
            for name, holder, key in _parts(network):
                if name not in self.parts:
                    self.parts[name] = holder.get_submodule(key)
        seed = int(torch.randint(2**31, (), device="cpu"))
        self._draws = PlanDraws(self.plans, draw=draw, seed=seed)

    def advance(self, share: float, step: int) -> None:
        """Draw the plan of the step."""
        self.drawn = self._draws.at(step)

    def rate_of(self, name: str) -> float:
        """Learning rate of a parameter, as a multiple of the budget's."""
        return self.gate.rate if name.startswith(f"parts.{_OPERATOR}") and "logit" in name else 1.0

    def subnetwork(self, plan: str) -> FusionNetwork:
        """The network of a plan, which shares its weights with this one.

        Raises:
            ValueError: the plan is none of this supernet.
        """
        if plan not in self.plans:
            raise ValueError(f"SupernetNetwork.subnetwork(): 'plan' must be one of the {len(self.plans)}, got {plan!r}")
        if plan not in self._networks:
            with torch.device("meta"):  # its own weights are never used
                network = self._make(plan)
            for name, holder, key in list(_parts(network)):
                holder.add_module(key, self.parts[name])
            self._networks[plan] = network
        network = self._networks[plan]
        network.checkpointing = self.checkpointing
        return network

    def cut(self, plan: str) -> FusionNetwork:
        """The network of a plan with copies of the shared weights.

        Raises:
            ValueError: the plan is none of this supernet.
        """
        shared = self.subnetwork(plan)
        network = self._make(plan)
        network.load_state_dict(shared.state_dict())
        return network

    def align(
        self, fixed: Float[Tensor, "b n *s"], moving: Float[Tensor, "b n *s"], generator: torch.Generator | None
    ) -> Registration:
        """Predict the transformation on the padded grid."""
        return self._running(generator).align(fixed, moving, generator)

    def align_both(
        self, first: Float[Tensor, "b n *s"], second: Float[Tensor, "b n *s"], generator: torch.Generator | None
    ) -> Registration:
        """Both directions, by one plan."""
        return self._running(generator).align_both(first, second, generator)

    def _running(self, generator: torch.Generator | None) -> FusionNetwork:
        return self.subnetwork(self.plan if generator is None else self.drawn)


def covering(plans: Sequence[str]) -> list[str]:
    """Some of the plans in which each operator of each stage is live that is so in any of them.

    They need all parts: what a stage needs of the two paths depends on its operator alone.
    """
    seen: set[tuple[int, str]] = set()
    chosen = []
    for plan in plans:
        live = {(stage, symbol) for stage, symbol in zip(STAGES, stage_symbols(plan), strict=True) if symbol != DEAD}
        if live - seen:
            seen |= live
            chosen.append(plan)
    return chosen


def _parts(network: FusionNetwork) -> Iterator[tuple[str, nn.Module, str]]:
    """Name in the supernet of each part of a network, the module that holds it, and what it is called there."""
    symbols = stage_symbols(network.plan)
    for name, child in network.named_children():
        if isinstance(child, nn.ModuleDict):
            for stage in child:
                symbol = f"_{symbols[int(stage) - 1]}" if name == "operators" else ""
                yield f"{name}_{stage}{symbol}", child, stage
        elif name in ("single", "joint"):
            (blocks,) = child.children()
            yield from ((f"{name}_{stage}", blocks, stage) for stage, _ in blocks.named_children())
        else:
            yield name, network, name
