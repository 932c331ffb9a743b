"""What labels and predicted segmentations add to the loss, term by term, for pairs of which only some are labelled.

A pair is of case 11, 10, 01 or 00: whether its fixed and its moving image have labels. Each term is a soft Dice loss,
with focal loss where asked for, over foreground classes, and the mean over the pairs of the batch; a pair that lacks
what a term needs counts as 0 in it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fusemorph.losses.dice import focal, one_hot, soft_dice
from fusemorph.warp import warp

if TYPE_CHECKING:
    from fusemorph.networks.registration import Registration

UNLABELLED = -1
"""Fills the label map of an image without labels, so that a batch may mix cases."""
PREDICTED = ("segmentation_weight", "fixed_labels_weight", "moving_labels_weight", "predictions_weight")
LabelMaps = tuple[Int[Tensor, "b 1 *s"], Int[Tensor, "b 1 *s"]]


@dataclass(frozen=True, kw_only=True)
class Supervision:
    """Weights of the terms that a segmentation takes part in, and how labels enter all terms.

    ``segmentation_weight``: the prediction of each labelled image against its labels. ``fixed_labels_weight`` (case
    10): the warped prediction of moving against the labels of fixed. ``moving_labels_weight`` (01): the warped labels
    of moving against the prediction of fixed. ``predictions_weight`` (00): the warped prediction of moving against that
    of fixed. The term of case 11 has the training loss's own ``dice_weight``.

    ``stand_ins``: whether predictions stand in for labels where those are ``missing``, or ``always`` (cases 10 and 01
    are then met by 11 too). ``detached``: stand-ins pass no gradient to what predicted them. ``focal_weight``: of the
    focal loss beside soft Dice, in every term. ``label_warp``: ``nearest`` warps label maps as published code does; the
    terms of cases 11 and 01 then pass no gradient to the displacement.

    Source: terms of Meng et al. 2025 (AutoFuse), cases of Xu and Niethammer 2019 (DeepAtlas).
    """

    segmentation_weight: float = 0.0
    fixed_labels_weight: float = 0.0
    moving_labels_weight: float = 0.0
    predictions_weight: float = 0.0
    stand_ins: Literal["missing", "always"] = "missing"
    detached: bool = True
    focal_weight: float = 0.0
    label_warp: Literal["linear", "nearest"] = "linear"

    def __post_init__(self) -> None:
        for name in (*PREDICTED, "focal_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"Supervision(): '{name}' must be 0 or more, got {getattr(self, name)}")
        for name, choices in (("stand_ins", ("missing", "always")), ("label_warp", ("linear", "nearest"))):
            if getattr(self, name) not in choices:
                raise ValueError(f"Supervision(): '{name}' must be {' or '.join(choices)}, got {getattr(self, name)!r}")

    @property
    def reads_predictions(self) -> bool:
        """Whether a term needs a network that segments."""
        return any(getattr(self, name) for name in PREDICTED)

    def terms(
        self,
        registration: "Registration",
        labels: LabelMaps,
        *,
        label_ids: tuple[int, ...],
        dice_weight: float,
    ) -> dict[str, Float[Tensor, ""]]:
        """Weighted terms by name.

        ``labels``: those of the fixed and the moving images, ``UNLABELLED`` throughout where an image has none.
        ``label_ids``: the classes beside background, in the order in which the network predicts them.
        """
        logits = registration.segmentation or (None, None)
        fixed, moving = (
            _Image(label_map, ids=label_ids, logits=found) for label_map, found in zip(labels, logits, strict=True)
        )
        displacement, terms = registration.displacement, {}
        if dice_weight or (self.moving_labels_weight and logits[0] is not None):
            warped = warp(moving.true, displacement, mode=self.label_warp)
        if dice_weight:
            found = self._loss(fixed.true, warped, fixed.present & moving.present, fixed.labelled & moving.labelled)
            terms["dice_loss"] = dice_weight * found
        if logits[0] is None:
            return terms
        if self.segmentation_weight:
            losses = [
                self._loss(image.true, image.predicted, image.present, image.labelled) for image in (fixed, moving)
            ]
            terms["segmentation"] = self.segmentation_weight * (losses[0] + losses[1])
        if self.moving_labels_weight:
            found = self._loss(warped, self._stand_in(fixed), moving.present, self._case(moving, without=fixed))
            terms["moving_labels"] = self.moving_labels_weight * found
        if self.fixed_labels_weight or self.predictions_weight:
            warped = warp(self._stand_in(moving), displacement)
        if self.fixed_labels_weight:
            found = self._loss(fixed.true, warped, fixed.present, self._case(fixed, without=moving))
            terms["fixed_labels"] = self.fixed_labels_weight * found
        if self.predictions_weight:
            everything = torch.ones_like(fixed.present)
            found = self._loss(self._stand_in(fixed), warped, everything, ~fixed.labelled & ~moving.labelled)
            terms["predictions"] = self.predictions_weight * found
        return terms

    def _loss(
        self,
        target: Float[Tensor, "b k *s"],
        predicted: Float[Tensor, "b k *s"],
        counted: Bool[Tensor, "b k"],
        case: Bool[Tensor, " b"],
    ) -> Float[Tensor, ""]:
        """The mean over the pairs, 0 for those not of the ``case``, or of which no class is ``counted``."""
        loss = soft_dice(target, predicted, counted)
        if self.focal_weight:
            loss = loss + self.focal_weight * focal(target, predicted)
        return torch.where(case & counted.any(1), loss, 0).mean()

    def _stand_in(self, image: "_Image") -> Tensor:
        return image.predicted.detach() if self.detached else image.predicted

    def _case(self, image: "_Image", *, without: "_Image") -> Bool[Tensor, " b"]:
        return image.labelled if self.stand_ins == "always" else image.labelled & ~without.labelled


class _Image:
    """What is known of the images of one side: labels one-hot, whether there are any, which classes, predictions."""

    def __init__(self, labels: Tensor, *, ids: tuple[int, ...], logits: Tensor | None) -> None:
        self.true = one_hot(labels, ids)
        self.labelled = labels.flatten(1)[:, 0] != UNLABELLED
        self.present = self.true.flatten(2).any(2)
        self._logits = logits

    @property
    def predicted(self) -> Float[Tensor, "b k *s"]:
        """Probabilities of the foreground classes."""
        assert self._logits is not None
        return self._logits.float().softmax(1)[:, 1:]
