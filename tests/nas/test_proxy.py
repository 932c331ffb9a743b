"""Proxies measure what they say: compared with what can be worked out otherwise."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fusemorph.complexity import count_flops, count_parameters
from fusemorph.data import open_dataset
from fusemorph.data.dataset import Dataset
from fusemorph.fusion.method import Fusion
from fusemorph.losses.training_loss import total
from fusemorph.warp import warp
from nas.proxies.synflow import _WithoutNorms
from nas.proxy import PAIRS, Probe, load_proxy, probe_of

METHOD = Fusion(channels=(4, 4, 4, 8, 8), plan="ssssjjg")
CPU = torch.device("cpu")


@pytest.fixture
def pairs() -> Probe:
    draw = torch.Generator().manual_seed(3)
    fixed, moving = torch.rand(2, 3, 1, 32, 24, generator=draw)
    return Probe(method=METHOD, fixed=fixed, moving=moving, spacing_mm=(1.0, 1.0))


def test_parameters_and_flops_are_those_that_records_name(pairs: Probe) -> None:
    assert load_proxy("parameters").measure(pairs) == count_parameters(METHOD, 2)
    assert load_proxy("flops").measure(pairs) == count_flops(METHOD, (32, 32))


def test_heads_are_not_as_small_as_before_training(pairs: Probe) -> None:
    with torch.no_grad():
        probed, fresh = (network(pairs.fixed, pairs.moving) for network in (pairs.network(), METHOD.network(2)))
    assert probed.displacement.abs().mean() > 1e-2 > fresh.displacement.abs().mean() * 100


def test_gradients_are_those_of_the_mean_loss_over_the_pairs(pairs: Probe) -> None:
    network = pairs.network()
    registration = network(pairs.fixed, pairs.moving)
    warped = warp(pairs.moving, registration.displacement)
    total(METHOD.objective.terms(registration, fixed=pairs.fixed, warped=warped)).backward()
    weights = [(p.detach(), p.grad) for p in network.parameters() if p.dim() > 1 and p.grad is not None]
    norms = sum(gradient.norm().item() for _, gradient in weights)
    assert load_proxy("grad_norm").measure(pairs) == pytest.approx(norms, rel=1e-3)
    removed = sum((weight * gradient).abs().sum().item() for weight, gradient in weights)
    assert load_proxy("snip").measure(pairs) == pytest.approx(removed, rel=1e-3)


def test_without_norms_features_pass_as_they_are() -> None:
    feature = torch.rand(2, 3, 4, 4)
    with _WithoutNorms():
        assert torch.nn.functional.batch_norm(feature, None, None, training=True) is feature
        assert torch.nn.LayerNorm(4)(feature) is feature
    assert torch.nn.functional.batch_norm(feature, None, None, training=True) is not feature


def test_synflow_of_positive_weights_does_not_see_the_images(pairs: Probe) -> None:
    other = replace(pairs, fixed=pairs.moving.square(), moving=pairs.fixed)
    assert load_proxy("synflow").measure(pairs) == load_proxy("synflow").measure(other)
    assert load_proxy("grad_norm").measure(pairs) != load_proxy("grad_norm").measure(other)


def test_more_flows_through_wider_networks(pairs: Probe) -> None:
    wide = replace(pairs, method=replace(METHOD, channels=(8, 8, 8, 16, 16)))
    assert load_proxy("synflow").measure(wide) > load_proxy("synflow").measure(pairs)


def test_pairs_that_are_one_pair_cannot_be_told_apart(pairs: Probe) -> None:
    same = replace(pairs, fixed=pairs.fixed[:1].repeat(3, 1, 1, 1), moving=pairs.moving[:1].repeat(3, 1, 1, 1))
    assert load_proxy("nwot").measure(same) < load_proxy("nwot").measure(pairs) - 5
    assert load_proxy("jacov").measure(same) < load_proxy("jacov").measure(pairs)


def test_a_probe_shows_training_pairs_and_refuses_networks_that_segment(brains_cache: Path) -> None:
    dataset: Dataset = open_dataset("virtual_brains", cache=brains_cache, spacing_mm=8.0, train=4, val=4, test=4)
    first, again = (probe_of(METHOD, dataset, device=CPU) for _ in range(2))
    assert first.fixed.shape == (PAIRS, 1, *dataset.shape)
    assert torch.equal(first.moving, again.moving)
    with pytest.raises(ValueError, match="'method' must segment nothing"):
        probe_of(replace(METHOD, segmentation="loss"), dataset, device=CPU)


def test_an_unknown_proxy_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown proxy 'nwt'; known: flops, .*synflow; did you mean nwot"):
        load_proxy("nwt")
