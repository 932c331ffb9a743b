"""What every stage operator must do; runs over each one found in the catalogue."""

import pytest
import torch

from fusemorph.fusion.fusion_network import FusionNetwork
from fusemorph.fusion.operator import Features, GateSettings, build_operator
from fusemorph.fusion.plan import vocabulary

CARDS = list(vocabulary().values())


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
@pytest.mark.parametrize("dims", [2, 3])
def test_reads_what_it_declares_and_nothing_else(card, dims: int) -> None:  # type: ignore[no-untyped-def]
    operator = build_operator(card.symbol, dims=dims, channels=8, gate=GateSettings())
    sides = (6, 5, 4)[:dims]
    tensors = {"joint": torch.randn(2, 8, *sides)} | {n: torch.randn(2, 4, *sides) for n in ("fixed", "moving")}
    given = {name: tensor.requires_grad_() if name in card.reads else None for name, tensor in tensors.items()}
    mixed, _ = operator(Features(**given), generator=None)
    assert mixed.shape == (2, 8, *sides)
    mixed.square().sum().backward()
    assert all(tensors[name].grad is not None for name in card.reads)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_serves_at_every_stage_of_a_network(card) -> None:  # type: ignore[no-untyped-def]
    network = FusionNetwork(dims=2, plan=card.symbol * 7, channels=(4, 8, 8, 16, 16))
    image = torch.rand(1, 1, 32, 32)
    registration = network(image, image, generator=torch.Generator().manual_seed(0))
    registration.displacement.sum().backward()
    assert registration.displacement.shape == (1, 2, 32, 32)
