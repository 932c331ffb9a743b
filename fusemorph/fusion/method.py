"""The fusion networks as a method: a plan, its channels and gate settings, and the objective that trains it."""

from dataclasses import dataclass, field
from typing import ClassVar

from fusemorph.fusion.operator import GateSettings
from fusemorph.fusion.plan import parse_plan
from fusemorph.method import LearnedMethod
from fusemorph.networks.fusion_network import Channels, FusionNetwork


@dataclass(frozen=True, kw_only=True)
class Fusion(LearnedMethod):
    """A three-path network that fuses as its ``plan`` says; the defaults are the published AutoFuse.

    Gate settings count only where a live stage is a gate: without one they are written as the defaults, so that equal
    networks have equal configurations.
    """

    name: ClassVar[str] = "fusion"
    source: ClassVar[str] = "Meng et al. 2025, AutoFuse, Pattern Recognition 161:111338, built from the paper"

    plan: str = "ggggggg"
    channels: Channels = (32, 64, 64, 128, 128)
    refine: bool = True
    gate: GateSettings = field(default_factory=GateSettings)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plan", parse_plan(self.plan))
        if any(count < 2 or count % 2 for count in self.channels):
            raise ValueError(f"Fusion(): 'channels' must be even and positive, got {self.channels}")
        if "g" not in self.plan:
            object.__setattr__(self, "gate", GateSettings())

    def network(self, dims: int) -> FusionNetwork:
        """A freshly initialised network for 2-D or 3-D images."""
        return FusionNetwork(dims=dims, plan=self.plan, channels=self.channels, refine=self.refine, gate=self.gate)
