"""The dual-stream control: golden size, and streams that share their weights."""

import torch

from baselines.vxm_dual import VxmDual
from fusemorph.complexity import count_parameters

SHAPE = (32, 32, 32)


def test_size() -> None:
    assert count_parameters(VxmDual(), 3) == 397_747


def test_the_streams_meet_after_the_encoder_alone() -> None:
    """Equal images have equal streams, and one image's stream does not know the other image."""
    network = VxmDual().network(2)
    fixed, moving, other = torch.rand(3, 1, 1, 32, 32)
    for feature in network.encoder(torch.cat((fixed, fixed))):
        assert torch.equal(*feature.chunk(2))
    pairs = zip(network.encoder(torch.cat((fixed, moving))), network.encoder(torch.cat((fixed, other))), strict=True)
    for with_moving, with_other in pairs:
        assert torch.equal(with_moving[:1], with_other[:1])
        assert not torch.equal(with_moving[1:], with_other[1:])
