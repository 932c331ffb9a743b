"""Diffeomorphic demons, coarse to fine on histogram-matched images, after our affine step.

Source: Vercauteren et al. 2009, NeuroImage 45:S61; Thirion 1998 for the demons. The public package SimpleITK
(Apache-2.0) does the work. It has no coarse-to-fine scheme: ours halves the images as its examples do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from fusemorph.external import ExternalMethod, Package


@dataclass(frozen=True, kw_only=True)
class Demons(ExternalMethod):
    """``iterations`` run from the coarsest resolution, halved once less each time, to the full one.

    After each step the displacement is smoothed by a Gaussian of ``sigma_voxels``.
    """

    name: ClassVar[str] = "demons"
    source: ClassVar[str] = "Vercauteren et al. 2009, diffeomorphic demons, NeuroImage 45:S61; SimpleITK (Apache-2.0)"
    package: ClassVar[Package] = Package("SimpleITK", "2.5.7")
    affine_is_ours: ClassVar[bool] = True

    iterations: tuple[int, ...] = (100, 100, 50)
    sigma_voxels: float = 1.5
    step_voxels: float = 0.5

    def worker(self) -> Callable[..., None]:
        return demons


def demons(*, iterations: list[int], sigma_voxels: float, step_voxels: float, threads: int) -> None:
    """Register the two files of the folder."""
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    fixed, moving = (sitk.ReadImage(f"{name}.nii", sitk.sitkFloat32) for name in ("fixed", "moving"))
    moving = sitk.HistogramMatching(moving, fixed, 1024, 7)
    step = sitk.DiffeomorphicDemonsRegistrationFilter()
    step.SetStandardDeviations(sigma_voxels)
    step.SetMaximumUpdateStepLength(step_voxels)
    resampler = sitk.ResampleImageFilter()
    resampler.SetUseNearestNeighborExtrapolator(True)
    field = sitk.Image(fixed.GetSize(), sitk.sitkVectorFloat64)
    field.CopyInformation(fixed)
    for level, count in enumerate(iterations):
        factor = 2 ** (len(iterations) - 1 - level)
        factors = [min(factor, max(1, side // 8)) for side in fixed.GetSize()]
        sigmas = [max(0.5 * (f > 1) * f * mm, 1e-3) for f, mm in zip(factors, fixed.GetSpacing(), strict=True)]
        coarse = [sitk.Shrink(sitk.SmoothingRecursiveGaussian(image, sigmas), factors) for image in (fixed, moving)]
        step.SetNumberOfIterations(count)
        resampler.SetReferenceImage(coarse[0])
        field = step.Execute(*coarse, resampler.Execute(field))
    sitk.WriteImage(field, "displacement.nii")
