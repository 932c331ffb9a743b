"""How segmentation helps registration in a fusion network: the strategies, and what predicts label maps.

- ``none``: nothing is segmented; labels, where there are any, take part in the loss alone.
- ``loss``: a segmentation network of its own, coupled to the registration by the losses.
- ``feature``: the single-image path segments too, so that both tasks share its features.
- ``input``: a segmentation network of its own, whose predictions are further input channels of the registration.
- ``all``: the single-image path segments, and its predictions are further input channels: AutoFuse-Semi.

Predictions go to wherever the joint path sees the images: at its beginning, and where a coarse-to-fine decoder reads
them again. In a plan whose joint path sees none, those of ``input`` go to the single-image path. Two controls of
``input`` predict nothing: they are shown the ``true`` label map of each image, or that of ``another`` subject.

Source: Meng et al. 2025, "AutoFuse", semi-supervised part.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.fusion.plan import PREDICTING, STAGES, is_coarse_to_fine, joint_stages, single_stages
from fusemorph.fusion.unet_path import UNetPath
from fusemorph.networks.blocks import ConvBlock, upsample
from fusemorph.networks.head import segmentation_logits

Segmentation = Literal["none", "loss", "feature", "input", "all"]
SegmentationInput = Literal["soft", "argmax", "true", "another"]


def rereading_stages(plan: str) -> frozenset[int]:
    """Stages of a coarse-to-fine decoder whose joint path reads both images again."""
    return joint_stages(plan) & set(PREDICTING[1:]) if is_coarse_to_fine(plan) else frozenset()


def joint_sees_images(plan: str) -> bool:
    """Whether the joint path reads the images themselves anywhere."""
    return 1 in joint_stages(plan) or bool(rereading_stages(plan))


def effective(segmentation: Segmentation, plan: str) -> Segmentation:
    """The strategy that a plan makes of the one asked for: equal networks have equal settings.

    Without a single-image path nothing is shared, and ``feature`` is ``loss`` and ``all`` is ``input``; where the joint
    path sees no image, ``all`` is ``feature``.
    """
    if segmentation in ("feature", "all") and not single_stages(plan):
        return "loss" if segmentation == "feature" else "input"
    return "feature" if segmentation == "all" and not joint_sees_images(plan) else segmentation


def single_channels(channels: Sequence[int]) -> tuple[int, ...]:
    """Channels of a convolutional single-image path, at resolutions 1 to 1/16, beside these of the joint path.

    A transformer's joint path has none at full resolution: there it is half as wide as at 1/2.
    """
    halved = tuple(count // 2 for count in channels)
    return halved if len(halved) == 5 else (max(2, halved[0] // 2), *halved)


class SegmentationHead(nn.Module):
    """The decoder block of a single-image path at full resolution, and a 1x1x1 convolution to the logits of classes."""

    def __init__(self, *, dims: int, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        self.block = ConvBlock(dims, channels[1] + channels[0], channels[0])
        self.logits = segmentation_logits(dims, channels[0], classes)

    def forward(self, coarse: Float[Tensor, "b _ *t"], fine: Float[Tensor, "b _ *s"]) -> Float[Tensor, "b k *s"]:
        """From the features of stage 7 and of full resolution."""
        feature = self.block(torch.cat((upsample(coarse), fine), dim=1))
        return self.logits(feature).float().contiguous()  # type: ignore[no-any-return]


class SegmentationNetwork(nn.Module):
    """A U-Net of the form of the single-image path, with its head: what segments where nothing is shared."""

    def __init__(self, *, dims: int, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        self.path = UNetPath(dims=dims, inputs=1, channels=channels, stages=STAGES)
        self.head = SegmentationHead(dims=dims, channels=channels, classes=classes)

    def forward(self, images: Float[Tensor, "b 1 *s"]) -> Float[Tensor, "b k *s"]:
        features = {0: self.path.begin(images)}
        for stage in STAGES:
            features[stage] = self.path.stage(stage, features)
        return self.head(features[STAGES[-1]], features[0])  # type: ignore[no-any-return]


def as_input(logits: Float[Tensor, "b k *s"], *, form: SegmentationInput) -> Float[Tensor, "b 1 *s"]:
    """A predicted segmentation as one input channel: the number of the class over the number of classes.

    ``argmax`` takes the most likely class, as published, which passes no gradient; ``soft`` the expected one.
    """
    classes = logits.shape[1]
    if form == "argmax":
        return logits.argmax(dim=1, keepdim=True).to(logits.dtype) / classes
    numbers = torch.arange(classes, device=logits.device, dtype=logits.dtype).view(1, -1, *[1] * (logits.dim() - 2))
    return (logits.softmax(dim=1) * numbers).sum(dim=1, keepdim=True) / classes
