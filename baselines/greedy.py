"""greedy: fast diffeomorphic registration by greedy steps on local cross-correlation, with an affine step first.

Source: Yushkevich et al. 2016, Alzheimer's & Dementia 12(7S):P126, which describes the tool; Joshi et al. 2004 for the
algorithm. The public package picsl-greedy (Apache-2.0) does the work; metric and iterations are those of its
documentation, smoothing its defaults.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from fusemorph.external import ExternalMethod, Package


@dataclass(frozen=True, kw_only=True)
class Greedy(ExternalMethod):
    """Affine (12 degrees of freedom), then greedy steps; ``iterations`` run from the coarsest resolution on.

    Steps and the warp so far are smoothed by Gaussians of ``step_sigma_voxels`` and ``warp_sigma_voxels``.
    """

    name: ClassVar[str] = "greedy"
    source: ClassVar[str] = (
        "Yushkevich et al. 2016, greedy, Alzheimer's & Dementia 12(7S):P126; picsl-greedy (Apache-2.0)"
    )
    package: ClassVar[Package] = Package("picsl-greedy", "1.4.0.3")

    ncc_radius: int = 2
    affine_iterations: tuple[int, ...] = (100, 50, 10)
    iterations: tuple[int, ...] = (100, 50, 10)
    step_sigma_voxels: float = 1.732
    warp_sigma_voxels: float = 0.7071
    seed: int = 1

    def worker(self) -> Callable[..., None]:
        return greedy


def greedy(
    *, affine: bool, ncc_radius: int, affine_iterations: list[int], iterations: list[int], step_sigma_voxels: float,
    warp_sigma_voxels: float, seed: int, threads: int,
) -> None:  # fmt: skip
    """Register the two files of the folder."""
    import picsl_greedy
    import SimpleITK as sitk

    dims = sitk.ReadImage("fixed.nii").GetDimension()
    tool = picsl_greedy.Greedy3D() if dims == 3 else picsl_greedy.Greedy2D()
    images = f"-i fixed.nii moving.nii -m NCC {'x'.join([str(ncc_radius)] * dims)} -threads {threads} -seed {seed}"
    schedule, affine_schedule = ("x".join(map(str, counts)) for counts in (iterations, affine_iterations))
    start = " affine.mat" if affine else ""
    if affine:
        tool.execute(f"{images} -a -dof 12 -n {affine_schedule} -o affine.mat")
    # -wp 0: warps are otherwise rounded to a tenth of a voxel when they are written.
    sigmas = f"-s {step_sigma_voxels}vox {warp_sigma_voxels}vox -wp 0"
    tool.execute(f"{images} {'-it' + start if affine else ''} -n {schedule} {sigmas} -o warp.nii")
    tool.execute(f"-rf fixed.nii -rm moving.nii warped.nii -r warp.nii{start} -rc displacement.nii -wp 0")
