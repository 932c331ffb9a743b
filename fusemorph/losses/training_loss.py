"""The loss of training: similarity, regularity, folding and, semi-supervised, labels; each with its weight."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fusemorph.configuration import LATER
from fusemorph.losses.bending import bending
from fusemorph.losses.diffusion import diffusion
from fusemorph.losses.folding import folding
from fusemorph.losses.inverse_consistency import inverse_consistency
from fusemorph.losses.kl import kl
from fusemorph.losses.mse import mse
from fusemorph.losses.mutual_information import mutual_information
from fusemorph.losses.resolutions import coarser_ncc, ncc_at_levels
from fusemorph.losses.supervision import UNLABELLED, Supervision

if TYPE_CHECKING:
    from fusemorph.networks.registration import Registration

WEIGHTS = (
    "kl_weight", "prior_lambda", "diffusion_weight", "bending_weight", "folding_weight", "dice_weight",
    "coarser_weight", "inverse_consistency_weight",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TrainingLoss:
    """Weights of the loss terms; the defaults are AutoFuse's. A term of weight 0 is not computed.

    ``diffusion_weight`` and ``bending_weight`` act on the velocity where the network has one, else on the displacement.
    ``dice_weight`` makes training semi-supervised: pairs with labels add one minus their soft Dice. ``supervision``:
    what predicted segmentations add, and how labels enter. ``levels``: at how many resolutions local NCC compares the
    images, see ``ncc_at_levels``. ``textured``: windows in which fixed is flat, as in padded margins, count for
    nothing. ``coarser_weight``: of the similarity after each coarser stage of a coarse-to-fine network (deep
    supervision). ``inverse_consistency_weight``: needs symmetric steps.
    """

    similarity: Literal["ncc", "mse", "mutual_information"] = "ncc"
    window: int = 9
    kl_weight: float = 0.01
    prior_lambda: float = 50.0
    diffusion_weight: float = 0.0
    bending_weight: float = 0.0
    folding_weight: float = 1e-5
    dice_weight: float = 0.0
    levels: int = field(default=1, metadata=LATER)
    textured: bool = field(default=False, metadata=LATER)
    coarser_weight: float = field(default=0.0, metadata=LATER)
    inverse_consistency_weight: float = field(default=0.0, metadata=LATER)
    supervision: Supervision = field(default_factory=Supervision, metadata=LATER)

    def __post_init__(self) -> None:
        if self.similarity not in ("ncc", "mse", "mutual_information"):
            raise ValueError(
                f"TrainingLoss(): 'similarity' must be ncc, mse or mutual_information, got {self.similarity!r}"
            )
        if self.window < 3 or self.window % 2 == 0:
            raise ValueError(f"TrainingLoss(): 'window' must be odd and at least 3, got {self.window}")
        if self.similarity != "ncc" and (self.levels != 1 or self.textured or self.coarser_weight):
            raise ValueError(
                "TrainingLoss(): 'similarity' must be ncc with 'levels', 'textured' or 'coarser_weight', "
                f"got {self.similarity!r}"
            )
        if not 1 <= self.levels <= (self.window - 1) // 2:
            raise ValueError(
                f"TrainingLoss(): 'levels' must leave a window of 3 at the last, got {self.levels} levels and "
                f"window {self.window}"
            )
        for name in WEIGHTS:
            if getattr(self, name) < 0:
                raise ValueError(f"TrainingLoss(): '{name}' must be 0 or more, got {getattr(self, name)}")

    def terms(
        self,
        registration: "Registration",
        *,
        fixed: Float[Tensor, "b c *s"],
        warped: Float[Tensor, "b c *s"],
        labels: tuple[Int[Tensor, "b 1 *s"], Int[Tensor, "b 1 *s"]] | None = None,
        spacing_mm: tuple[float, ...] | None = None,
        label_ids: tuple[int, ...] | None = None,
        mask: Float[Tensor, "b 1 *s"] | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """Weighted loss terms by name; the loss is their sum.

        ``labels``: those of the fixed and the moving images, ``UNLABELLED`` throughout where an image has none.
        ``label_ids``: the labels of the data set; those of the fixed maps where they are not given. ``spacing_mm``
        counts for diffusion and bending. ``mask``: 1 where the similarity counts and 0 elsewhere; None for everywhere.
        """
        terms = {"similarity": self._similarity(registration, fixed, warped, mask)}
        smooth = registration.displacement if registration.velocity is None else registration.velocity
        if self.coarser_weight and registration.coarser:
            found = coarser_ncc(registration.coarser, window=self.window, mask=mask)
            terms["coarser_similarity"] = self.coarser_weight * found
        if self.kl_weight and registration.velocity is not None and registration.log_variance is not None:
            divergence = kl(registration.velocity, registration.log_variance, prior_lambda=self.prior_lambda)
            terms["kl"] = self.kl_weight * divergence
        if self.diffusion_weight:
            terms["diffusion"] = self.diffusion_weight * diffusion(smooth, spacing=spacing_mm)
        if self.bending_weight:
            terms["bending"] = self.bending_weight * bending(smooth, spacing=spacing_mm)
        if self.folding_weight:
            terms["folding_penalty"] = self.folding_weight * folding(registration.displacement)
        if self.inverse_consistency_weight and registration.both_directions:
            term = inverse_consistency(registration.displacement)
            terms["inverse_consistency"] = self.inverse_consistency_weight * term
        if labels is not None and self.reads_labels:
            ids = label_ids or tuple(sorted({*labels[0].flatten().tolist()} - {UNLABELLED, 0})) or (1,)
            terms |= self.supervision.terms(registration, labels, label_ids=ids, dice_weight=self.dice_weight)
        return terms

    def without_predictions(self) -> "TrainingLoss":
        """The same loss for a network that does not segment: settings that then count for nothing are the defaults."""
        kept = Supervision(focal_weight=self.supervision.focal_weight, label_warp=self.supervision.label_warp)
        return replace(self, supervision=kept if self.dice_weight else Supervision())

    @property
    def reads_labels(self) -> bool:
        """Whether labels take part."""
        return bool(self.dice_weight) or self.supervision.reads_predictions

    def _similarity(self, registration: "Registration", fixed: Tensor, warped: Tensor, mask: Tensor | None) -> Tensor:
        if self.similarity == "ncc":
            return ncc_at_levels(
                fixed, warped, window=self.window, levels=self.levels, first=registration.halvings,
                textured=self.textured, mask=mask,
            )  # fmt: skip
        measure = mse if self.similarity == "mse" else mutual_information
        return measure(fixed, warped, mask=mask)


NCC_AND_DIFFUSION = TrainingLoss(kl_weight=0.0, folding_weight=0.0, diffusion_weight=1.0)
"""Local NCC and diffusion of weight 1: VoxelMorph's loss, and that of the networks after it."""


def total(terms: dict[str, Float[Tensor, ""]]) -> Float[Tensor, ""]:
    """The loss: the sum of its weighted terms."""
    return torch.stack(list(terms.values())).sum()
