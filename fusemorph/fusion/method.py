"""The fusion networks as a method: a plan, its channels and gate settings, and the objective that trains it."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, get_args

from fusemorph.configuration import LATER
from fusemorph.data.dataset import Dataset
from fusemorph.data.given import Given, giving
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
from fusemorph.fusion.segmentation import Segmentation, SegmentationInput, effective
from fusemorph.method import LearnedMethod

PUBLISHED_WIDTH = 16
THREE_LABELS = (1, 2, 3)


@dataclass(frozen=True, kw_only=True)
class Fusion(LearnedMethod):
    """A three-path network that fuses as its ``plan`` says; the defaults are the published AutoFuse.

    ``channels``: none means the published ones of the backbone. Gate settings count only where a live stage is a gate:
    without one they are written as the defaults, so that equal networks have equal configurations.

    ``segmentation``: how predicted label maps help, see ``fusemorph.fusion.segmentation``; ``labels``: those that are
    predicted beside background, by default three; ``segmentation_input``: how a prediction enters as an input, or whose
    label map takes its place.
    """

    name: ClassVar[str] = "fusion"
    source: ClassVar[str] = "Meng et al. 2025, AutoFuse, Pattern Recognition 161:111338, built from the paper"

    plan: str = "ggggggg"
    channels: Channels = ()
    refine: bool = True
    gate: GateSettings = field(default_factory=GateSettings)
    backbone: Backbone = field(default="convolution", metadata=LATER)
    segmentation: Segmentation = field(default="none", metadata=LATER)
    segmentation_input: SegmentationInput = field(default="soft", metadata=LATER)
    labels: tuple[int, ...] = field(default=THREE_LABELS, metadata=LATER)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plan", parse_plan(self.plan))
        if not self.channels and self.backbone in SHARES:
            object.__setattr__(self, "channels", published_channels(PUBLISHED_WIDTH, backbone=self.backbone))
        check_channels(self.channels, backbone=self.backbone, caller="Fusion")
        if not gated_stages(self.plan):
            object.__setattr__(self, "gate", GateSettings())
        check_segmentation(self)
        object.__setattr__(self, "segmentation", effective(self.segmentation, self.plan))
        if self.segmentation == "none":
            object.__setattr__(self, "labels", THREE_LABELS)
        if self.segmentation == "none" or self.shown is not None:
            object.__setattr__(self, "loss", self.loss.without_predictions())
        if self.segmentation not in ("input", "all"):
            object.__setattr__(self, "segmentation_input", "soft")

    @property
    def shown(self) -> Given | None:
        """Whose label maps are shown in place of predicted ones, in the controls of input fusion."""
        return self.segmentation_input if self.segmentation_input in get_args(Given) else None  # type: ignore[return-value]

    def sees(self, dataset: Dataset) -> Dataset:
        return giving(dataset, self.shown) if self.shown else dataset

    def skip(self, dataset: Dataset) -> str | None:
        if self.shown and not dataset.labels:
            return f"it is shown label maps, and {dataset.name} has none"
        return super().skip(dataset)

    def for_dataset(self, dataset: Dataset) -> "Fusion":
        """The method that segments the labels of a data set."""
        return replace(self, labels=tuple(dataset.labels) or self.labels)

    def network(self, dims: int) -> FusionNetwork:
        """A freshly initialised network for 2-D or 3-D images."""
        return FusionNetwork(
            dims=dims, plan=self.plan, channels=self.channels, backbone=self.backbone, refine=self.refine,
            gate=self.gate, segmentation=self.segmentation, classes=len(self.labels) + 1,
            segmentation_input=self.segmentation_input,
        )  # fmt: skip


def check_segmentation(method: Fusion) -> None:
    """Refuse what cannot be segmented, or a loss of predictions that nothing makes.

    Raises:
        ValueError: naming the setting.
    """
    for name, kinds in (("segmentation", Segmentation), ("segmentation_input", SegmentationInput)):
        if getattr(method, name) not in get_args(kinds):
            raise ValueError(
                f"Fusion(): '{name}' must be one of {', '.join(get_args(kinds))}, got {getattr(method, name)!r}"
            )
    if method.shown and method.segmentation != "input":
        raise ValueError(
            f"Fusion(): 'segmentation' must be 'input' where label maps are shown in place of predictions, got "
            f"{method.segmentation!r}"
        )
    if not method.labels or min(method.labels) < 1 or len(set(method.labels)) < len(method.labels):
        raise ValueError(f"Fusion(): 'labels' must be positive and differ, got {method.labels}")
