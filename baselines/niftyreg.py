"""NiftyReg's free-form deformation: B-splines, mutual information and bending energy, after its block-matching affine.

Source: Modat et al. 2010, Computer Methods and Programs in Biomedicine 98(3):278. The user's own binaries (BSD) do the
work: ``reg_aladin``, ``reg_f3d`` and ``reg_transform`` on PATH, or in the folder that ``FUSEMORPH_NIFTYREG`` names. The
defaults are those that ``reg_f3d -h`` prints. PyPI has the sources, which pip compiles.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from fusemorph.external import ExternalMethod
from fusemorph.method import PublishedScore

FOLDER = "FUSEMORPH_NIFTYREG"
BINARIES = ("reg_aladin", "reg_f3d", "reg_transform")
# Its CMake files are older than what CMake 4 accepts unasked.
INSTALL = (
    "CMAKE_POLICY_VERSION_MINIMUM=3.5 pip install niftyreg==1.5.70rc1"
    f" && export {FOLDER}=$(python -c 'import niftyreg; print(niftyreg.bin_path)')"
)


@dataclass(frozen=True, kw_only=True)
class NiftyReg(ExternalMethod):
    """Affine, then B-splines with control points ``grid_spacing_voxels`` apart at the finest of ``levels``."""

    name: ClassVar[str] = "niftyreg"
    source: ClassVar[str] = "Modat et al. 2010, reg_f3d, Comput Methods Programs Biomed 98(3):278; NiftyReg (BSD)"
    published: ClassVar[tuple[PublishedScore, ...]] = (
        PublishedScore("ixi", "dice", 0.645, "Chen et al. 2022, TransMorph, in its preprocessing"),
    )

    levels: int = 3
    iterations: int = 150
    grid_spacing_voxels: float = 5.0
    bending_weight: float = 0.001
    linear_weight: float = 0.01

    def versions(self) -> dict[str, str]:
        """What the binary says of itself."""
        call = [str(shutil.which("reg_f3d", path=os.environ.get(FOLDER))), "--version"]
        return {"niftyreg": subprocess.run(call, capture_output=True, text=True).stdout.strip()}

    def missing(self) -> str | None:
        folder = os.environ.get(FOLDER)
        if folder and not os.path.isabs(folder):
            return f"{FOLDER} must be an absolute path, got {folder}"
        absent = [name for name in BINARIES if shutil.which(name, path=folder) is None]
        if not absent:
            return None
        return f"{', '.join(absent)} not found; {INSTALL}"

    def worker(self) -> Callable[..., None]:
        return niftyreg


def niftyreg(
    *,
    affine: bool,
    levels: int,
    iterations: int,
    grid_spacing_voxels: float,
    bending_weight: float,
    linear_weight: float,
    threads: int,
) -> None:
    """Register the two files of the folder; OpenMP reads its threads from the environment."""
    import os
    import shutil
    import subprocess

    import nibabel as nib
    import numpy as np

    def call(binary: str, *arguments: object) -> None:
        program = shutil.which(binary, path=os.environ.get("FUSEMORPH_NIFTYREG"))
        if status := subprocess.run([str(program), *map(str, arguments)]).returncode:
            raise SystemExit(f"{binary} ended with status {status}")

    images = ("-ref", "fixed.nii", "-flo", "moving.nii", "-voff")
    if affine:
        call("reg_aladin", *images, "-aff", "affine.txt", "-res", "affine.nii")
    start = ("-aff", "affine.txt") if affine else ()
    weights = ("-be", bending_weight, "-le", linear_weight)
    grid = ("-ln", levels, "-maxit", iterations, "-sx", -grid_spacing_voxels)
    call("reg_f3d", *images, *start, *grid, *weights, "-cpp", "grid.nii", "-res", "warped.nii")
    call("reg_transform", "-ref", "fixed.nii", "-disp", "grid.nii", "ras.nii")
    ras = nib.Nifti1Image.from_filename("ras.nii")
    signs = np.array([-1, -1, 1])[: ras.shape[-1]]
    nib.Nifti1Image((np.asarray(ras.dataobj) * signs).astype(np.float32), ras.affine).to_filename("displacement.nii")
