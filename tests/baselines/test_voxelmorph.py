"""VoxelMorph: golden sizes, and the same output as MONAI's network of the same shape with the same weights."""

import pytest
import torch
from monai.networks.blocks.convolutions import Convolution
from monai.networks.nets.voxelmorph import VoxelMorphUNet
from torch import nn

from baselines.voxelmorph_1 import VoxelMorph1
from baselines.voxelmorph_2 import VoxelMorph2
from baselines.voxelmorph_diff import VoxelMorphDiff
from fusemorph.complexity import count_parameters
from fusemorph.method import Method


@pytest.mark.parametrize(
    ("method", "size"), [(VoxelMorph1(), 259_675), (VoxelMorph2(), 301_411), (VoxelMorphDiff(), 266_374)]
)
def test_sizes(method: Method, size: int) -> None:
    assert count_parameters(method, 3) == size


class DeeperUNet(VoxelMorphUNet):
    """MONAI's network with the one layer that it lacks: a convolution of stride 1 at the coarsest resolution."""

    def _get_bottom_layer(self, in_channels: int, out_channels: int) -> nn.Module:
        strided, upsample = super()._get_bottom_layer(in_channels, out_channels).children()
        extra = Convolution(self.dimensions, out_channels, out_channels, kernel_size=3, act=self.act, norm=None)
        return nn.Sequential(strided, extra, upsample)


def monai_network(dims: int) -> DeeperUNet:
    """Strided, its first convolution the identity: what it skips is the images, which no LeakyReLU changes."""
    network = DeeperUNet(
        spatial_dims=dims, in_channels=2, unet_out_channels=32, channels=(2, 32, 16, 32, 32, 32, 32, 32),
        final_conv_channels=(16, 16), use_maxpool=False,
    )  # fmt: skip
    nn.init.dirac_(network.get_parameter("net.0.0.conv.weight"))
    nn.init.zeros_(network.get_parameter("net.0.0.conv.bias"))
    return network


@pytest.mark.parametrize("shape", [(32, 48, 32), (48, 32)])
def test_weights_of_monai_give_its_output(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    theirs, ours = monai_network(len(shape)), VoxelMorph2().network(len(shape))
    weights = list(theirs.parameters())[2:]  # both list their layers in the order of computation
    with torch.no_grad():
        for parameter, weight in zip(ours.parameters(), weights, strict=True):
            parameter.copy_(weight)
    fixed, moving = torch.rand(2, 1, 1, *shape)
    expected = theirs(torch.cat((fixed, moving), dim=1))
    assert expected.std() > 1e-3
    torch.testing.assert_close(ours(fixed, moving).displacement, expected, atol=1e-5, rtol=1e-4)
