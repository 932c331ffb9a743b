"""The fusion networks as a method: a plan, its channels and gate settings, and the objective that trains it."""

from dataclasses import dataclass, field
from typing import ClassVar

from fusemorph.configuration import LATER
from fusemorph.fusion.fusion_network import (
    SHARES,
    Backbone,
    Channels,
    FusionNetwork,
    check_channels,
    published_channels,
)
from fusemorph.fusion.operator import GateSettings
from fusemorph.fusion.plan import gated_stages, parse_plan
from fusemorph.method import LearnedMethod

PUBLISHED_WIDTH = 16


@dataclass(frozen=True, kw_only=True)
class Fusion(LearnedMethod):
    """A three-path network that fuses as its ``plan`` says; the defaults are the published AutoFuse.

    ``channels``: none means the published ones of the backbone. Gate settings count only where a live stage is a gate:
    without one they are written as the defaults, so that equal networks have equal configurations.
    """

    name: ClassVar[str] = "fusion"
    source: ClassVar[str] = "Meng et al. 2025, AutoFuse, Pattern Recognition 161:111338, built from the paper"

    plan: str = "ggggggg"
    channels: Channels = ()
    refine: bool = True
    gate: GateSettings = field(default_factory=GateSettings)
    backbone: Backbone = field(default="convolution", metadata=LATER)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plan", parse_plan(self.plan))
        if not self.channels and self.backbone in SHARES:
            object.__setattr__(self, "channels", published_channels(PUBLISHED_WIDTH, backbone=self.backbone))
        check_channels(self.channels, backbone=self.backbone, caller="Fusion")
        if not gated_stages(self.plan):
            object.__setattr__(self, "gate", GateSettings())

    def network(self, dims: int) -> FusionNetwork:
        """A freshly initialised network for 2-D or 3-D images."""
        return FusionNetwork(
            dims=dims, plan=self.plan, channels=self.channels, backbone=self.backbone, refine=self.refine,
            gate=self.gate,
        )  # fmt: skip
