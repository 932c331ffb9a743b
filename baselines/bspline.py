"""B-spline registration of elastix: mutual information and bending energy, stochastic gradients, with an affine step.

Source: Klein et al. 2010, elastix, IEEE TMI 29(1):196; Rueckert et al. 1999 for the transform. The public package
itk-elastix (Apache-2.0) does the work; the defaults are those of its parameter maps ``affine`` and ``bspline``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from fusemorph.external import ExternalMethod, Package


@dataclass(frozen=True, kw_only=True)
class BSpline(ExternalMethod):
    """Affine, then cubic B-splines with control points ``grid_spacing_mm`` apart at the finest resolution."""

    name: ClassVar[str] = "bspline"
    source: ClassVar[str] = "Klein et al. 2010, elastix, IEEE TMI 29(1):196; itk-elastix (Apache-2.0)"
    package: ClassVar[Package] = Package("itk-elastix", "0.25.4")

    resolutions: int = 4
    grid_spacing_mm: float = 10.0
    iterations: int = 256
    samples: int = 2048
    bending_weight: float = 1.0
    seed: int = 121212

    def worker(self) -> Callable[..., None]:
        return bspline


def bspline(
    *, affine: bool, resolutions: int, grid_spacing_mm: float, iterations: int, samples: int, bending_weight: float,
    seed: int, threads: int,
) -> None:  # fmt: skip
    """Register the two files of the folder; ITK reads its threads from the environment."""
    import itk

    fixed, moving = (itk.imread(f"{name}.nii", itk.F) for name in ("fixed", "moving"))
    parameters = itk.ParameterObject.New()
    common = {"MaximumNumberOfIterations": iterations, "NumberOfSpatialSamples": samples, "RandomSeed": seed}
    maps = [parameters.GetDefaultParameterMap("affine", resolutions)] if affine else []
    maps.append(parameters.GetDefaultParameterMap("bspline", resolutions, grid_spacing_mm))
    for parameter_map in maps:
        for name, value in (common | {"Metric1Weight": bending_weight}).items():
            parameter_map[name] = (str(value),)
        parameters.AddParameterMap(parameter_map)
    _, result = itk.elastix_registration_method(
        fixed, moving, parameter_object=parameters, number_of_threads=threads, log_to_console=False
    )
    itk.imwrite(itk.transformix_deformation_field(moving, result), "displacement.nii")
