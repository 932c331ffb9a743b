"""One affine map for the whole image: what is aligned before any deformation.

Source: ours (``fusemorph.affine``), correlation maximised from coarse to fine; built from the papers named there.
"""

from dataclasses import dataclass
from typing import ClassVar, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.affine import Model, affine_displacement, register_affine
from fusemorph.data.dataset import Pair
from fusemorph.method import Method, PairFailed, PublishedScore, image_tensor


@dataclass(frozen=True, kw_only=True)
class Affine(Method):
    """Affine registration of the pair; ``model`` may leave it at a translation or a rigid motion."""

    name: ClassVar[str] = "affine"
    source: ClassVar[str] = "FuseMorph's own, after Evangelidis and Psarakis 2008, IEEE PAMI 30:1858"
    published: ClassVar[tuple[PublishedScore, ...]] = (
        PublishedScore("ixi", "dice", 0.386, "Chen et al. 2022, TransMorph, in its preprocessing"),
    )

    model: Model = "affine"

    def __post_init__(self) -> None:
        if self.model not in get_args(Model):
            raise ValueError(f"Affine(): 'model' must be one of {', '.join(get_args(Model))}, got {self.model!r}")

    def register(self, pair: Pair, *, network: nn.Module | None, device: torch.device) -> Float[Tensor, "1 d *s"]:
        fixed, moving = (image_tensor(scan.image, device) for scan in (pair.fixed, pair.moving))
        try:
            matrix = register_affine(fixed, moving, spacing_mm=pair.fixed.spacing_mm, model=self.model)
        except ValueError as error:
            raise PairFailed(str(error)) from error
        return affine_displacement(matrix, pair.fixed.image.shape)
