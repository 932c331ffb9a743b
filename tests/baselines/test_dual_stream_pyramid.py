"""The dual-stream pyramid: golden size, and displacements composed from coarse to fine."""

import torch

from baselines.dual_stream_pyramid import DualStreamPyramid
from fusemorph.complexity import count_parameters
from fusemorph.warp import warp


def test_size() -> None:
    assert count_parameters(DualStreamPyramid(), 3) == 616_527


def test_a_level_adds_to_what_the_coarser_ones_found() -> None:
    """Coarse levels that answer with a shift of (1, 0) voxels of theirs move the image by it, twice as far a level."""
    network = DualStreamPyramid(channels=(4, 4, 4)).network(2)
    for level, shift in enumerate((0.0, 0.0, 1.0)):
        torch.nn.init.zeros_(network.get_parameter(f"levels.{level}.residual.weight"))
        network.get_parameter(f"levels.{level}.residual.bias").data = torch.tensor([shift, 0.0])
    image = torch.rand(1, 1, 32, 32)
    displacement = network(image, image).displacement
    torch.testing.assert_close(displacement[:, 0], torch.full((1, 32, 32), 4.0))
    torch.testing.assert_close(warp(image, displacement)[..., :28, :], image[..., 4:, :])
    network.get_parameter("levels.0.residual.bias").data[1] = -2.0
    displacement = network(image, image).displacement
    torch.testing.assert_close(displacement[:, 1], torch.full((1, 32, 32), -2.0))
