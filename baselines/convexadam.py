"""ConvexAdam: a discrete search over MIND features, made smooth by convex steps, then Adam; after our affine step.

Source: Siebert et al. 2024, IEEE TMI 43(12), arXiv 2311.09888 (Learn2Reg 2021's fast and accurate entry). The public
package convexAdam (Apache-2.0) does the work; the defaults are its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from fusemorph.external import ExternalMethod, Package
from fusemorph.method import PublishedScore


@dataclass(frozen=True, kw_only=True)
class ConvexAdam(ExternalMethod):
    """The search reaches ``disp_hw * grid_sp`` voxels; the settings have the package's names.

    It needs three steps of ``grid_sp`` along each axis: images with fewer voxels are padded with their last slice.
    """

    name: ClassVar[str] = "convexadam"
    source: ClassVar[str] = "Siebert et al. 2024, ConvexAdam, IEEE TMI 43(12); convexAdam (Apache-2.0)"
    package: ClassVar[Package] = Package("convexAdam", "0.2.0")
    dims: ClassVar[tuple[int, ...]] = (3,)
    affine_is_ours: ClassVar[bool] = True
    published: ClassVar[tuple[PublishedScore, ...]] = (
        PublishedScore("oasis", "dice", 0.846, "Learn2Reg 2021, validation, labels in training"),
    )

    mind_r: int = 1
    mind_d: int = 2
    lambda_weight: float = 1.25
    grid_sp: int = 6
    disp_hw: int = 4
    selected_niter: int = 80
    selected_smooth: int = 0
    grid_sp_adam: int = 2
    ic: bool = True

    def worker(self) -> Callable[..., None]:
        return convexadam


def convexadam(*, grid_sp: int, threads: int, **settings: object) -> None:
    """Register the two files of the folder."""
    import nibabel as nib
    import numpy as np
    import torch
    from convexAdam.convex_adam_MIND import convex_adam_pt

    torch.set_num_threads(threads)
    fixed, moving = (nib.Nifti1Image.from_filename(f"{name}.nii") for name in ("fixed", "moving"))
    images = [np.asarray(image.dataobj) for image in (fixed, moving)]
    pad = [(0, max(0, 3 * grid_sp - side)) for side in fixed.shape]
    padded = convex_adam_pt(*(np.pad(image, pad, "edge") for image in images), grid_sp=grid_sp, **settings)
    voxels = padded[tuple(slice(side) for side in fixed.shape)]
    # It moves along the array's axes, in voxels; the file is in LPS millimetres.
    field = voxels * np.array(fixed.header.get_zooms()) * [-1, -1, 1]
    nib.Nifti1Image(field[..., None, :].astype(np.float32), fixed.affine).to_filename("displacement.nii")
