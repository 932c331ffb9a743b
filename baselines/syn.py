"""SyN: symmetric diffeomorphic registration of ANTs, with an affine step first.

Source: Avants et al. 2008, Medical Image Analysis 12(1):26. The public package antspyx (Apache-2.0) does the work; the
defaults are those of its ``ants.registration(type_of_transform="SyN")``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from fusemorph.external import ExternalMethod, Package
from fusemorph.method import PublishedScore


@dataclass(frozen=True, kw_only=True)
class SyN(ExternalMethod):
    """Centres of mass, affine, then SyN; ``iterations`` run from the coarsest resolution to the full one.

    ``sampling`` is the number of histogram bins of ``mattes``, or the radius of ``CC``.
    """

    name: ClassVar[str] = "syn"
    source: ClassVar[str] = "Avants et al. 2008, SyN, Medical Image Analysis 12(1):26; antspyx (Apache-2.0)"
    package: ClassVar[Package] = Package("antspyx", "0.6.3", apart="it asks for numpy below 2.4")
    published: ClassVar[tuple[PublishedScore, ...]] = (
        PublishedScore("mindboggle", "dice", 0.534, "Meng et al., CVPR 2024"),
        PublishedScore("buckner", "dice", 0.567, "Meng et al., CVPR 2024"),
        PublishedScore("ixi", "dice", 0.645, "Chen et al. 2022, TransMorph, in its preprocessing"),
    )

    metric: str = "mattes"
    sampling: int = 32
    iterations: tuple[int, ...] = (40, 20, 0)
    grad_step: float = 0.2
    flow_sigma: float = 3.0
    total_sigma: float = 0.0
    seed: int = 1

    def worker(self) -> Callable[..., None]:
        return syn


def syn(
    *, affine: bool, metric: str, sampling: int, iterations: list[int], grad_step: float, flow_sigma: float,
    total_sigma: float, seed: int, threads: int,
) -> None:  # fmt: skip
    """Register the two files of the folder; ITK reads its threads from the environment."""
    import shutil

    import ants

    # Seeds alone: ``on=True`` would also take the threads away.
    ants.config.set_ants_deterministic(on=False, seed_value=seed)
    fixed, moving = (ants.image_read(f"{name}.nii") for name in ("fixed", "moving"))
    result = ants.registration(
        fixed, moving, "SyN" if affine else "SyNOnly", initial_transform=None if affine else "Identity",
        outprefix="ants", syn_metric=metric, syn_sampling=sampling, reg_iterations=tuple(iterations),
        grad_step=grad_step, flow_sigma=flow_sigma, total_sigma=total_sigma,
    )  # fmt: skip
    path = ants.apply_transforms(fixed, moving, result["fwdtransforms"], compose="composed")
    shutil.copy(path, "composed.nii.gz")
    ants.image_write(ants.image_read("composed.nii.gz"), "displacement.nii")
