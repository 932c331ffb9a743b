"""VoxelMorph as three packages build and train it: ours, voxelmorph 0.3.4 and MONAI 1.6, each with its own loss.

The architecture is what all three can build: VoxelMorph-2's channels, with one convolution at full resolution before
that of the displacement (``last`` = 32), since voxelmorph 0.3.4 has no more. Its U-Net pools where the others stride.

Run as ``python -m tests.benchmarks.peers NAME TASK SIDE SIDE SIDE``, it prints the peak memory of the task, in MiB
above that of a process that has imported the package.
"""

import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from fusemorph.machine import peak_memory_mib

Shape = tuple[int, int, int]
Task = Callable[[], float]
NAMES = ("ours", "ours, bfloat16", "voxelmorph 0.3.4", "MONAI 1.6")
TASKS = ("training step", "inference")

Predict = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From fixed and moving to the warped moving image and the displacement."""

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Of the fixed image, the warped one and the displacement: local NCC, window 9, and squared differences."""


def build_ours() -> tuple[nn.Module, Predict, Loss]:
    from baselines.voxelmorph_2 import VoxelMorph2
    from fusemorph.losses import diffusion, ncc
    from fusemorph.warp import warp

    network = VoxelMorph2(last=(32,)).network(3)

    def predict(fixed: Tensor, moving: Tensor) -> tuple[Tensor, Tensor]:
        displacement = network(fixed, moving).displacement
        return warp(moving, displacement), displacement

    return network, predict, lambda fixed, warped, displacement: ncc(fixed, warped) + diffusion(displacement)


def build_voxelmorph() -> tuple[nn.Module, Predict, Loss]:
    import neurite
    import voxelmorph

    network = voxelmorph.nn.models.VxmPairwise(
        ndim=3, source_channels=1, target_channels=1, nb_features=[[0, 16, 32, 32], [32, 32, 32, 32]],
        activations=nn.LeakyReLU, integration_steps=0,
    )  # fmt: skip
    similarity, smoothness = neurite.nn.modules.NCC(window_size=9), neurite.nn.modules.SpatialGradient("l2")

    def predict(fixed: Tensor, moving: Tensor) -> tuple[Tensor, Tensor]:
        displacement, warped = network(moving, fixed, return_warped_source=True)
        return warped, displacement

    return (
        network,
        predict,
        lambda fixed, warped, displacement: 1 - similarity(fixed, warped).mean() + smoothness(displacement),
    )


def build_monai() -> tuple[nn.Module, Predict, Loss]:
    from monai.losses import DiffusionLoss, LocalNormalizedCrossCorrelationLoss
    from monai.networks.nets.voxelmorph import VoxelMorph, VoxelMorphUNet

    unet = VoxelMorphUNet(
        spatial_dims=3, in_channels=2, unet_out_channels=32, channels=(2, 32, 16, 32, 32, 32, 32, 32),
        final_conv_channels=(), use_maxpool=False,
    )  # fmt: skip
    with warnings.catch_warnings(action="ignore"):  # it says that it warps by torch's own function
        network = VoxelMorph(unet, integration_steps=0)
    similarity, smoothness = LocalNormalizedCrossCorrelationLoss(kernel_size=9), DiffusionLoss()
    return (
        network,
        lambda fixed, moving: network(moving, fixed),
        lambda fixed, warped, displacement: 1 + similarity(warped, fixed) + smoothness(displacement),
    )


BUILDERS = dict(zip(NAMES, (build_ours, build_ours, build_voxelmorph, build_monai), strict=True))


def make_task(name: str, task: str, shape: Shape) -> Task:
    """One training step (Adam), or one inference with its warp, each time it is called; returns the loss, or 0."""
    torch.manual_seed(0)
    network, predict, loss = BUILDERS[name]()
    fixed, moving = torch.rand(2, 1, 1, *shape)

    def precision() -> torch.autocast | nullcontext[None]:
        return torch.autocast("cpu", torch.bfloat16) if name.endswith("bfloat16") else nullcontext()

    def infer() -> float:
        with torch.inference_mode(), precision():
            predict(fixed, moving)
        return 0.0

    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)

    def step() -> float:
        optimiser.zero_grad(set_to_none=True)
        with precision():
            warped, displacement = predict(fixed, moving)
            value = loss(fixed, warped, displacement)
        value.backward()
        optimiser.step()
        return float(value.detach())

    return infer if task == "inference" else step


if __name__ == "__main__":
    torch.set_num_threads(1)
    named, wanted, *sides = sys.argv[1:]
    BUILDERS[named]()
    before = peak_memory_mib()
    run = make_task(named, wanted, tuple(map(int, sides)))  # type: ignore[arg-type]
    for _ in range(2):  # the second step has the optimiser's state too
        run()
    print(peak_memory_mib() - before)
