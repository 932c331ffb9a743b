"""What every proxy must do; runs over each that is found."""

import math
from dataclasses import replace

import pytest
import torch

from fusemorph.fusion.method import Fusion
from nas.proxy import Probe, known_proxies, load_proxy

METHODS = {
    "gates": Fusion(channels=(4, 4, 4, 8, 8)),
    "coarse to fine": Fusion(channels=(4, 4, 4, 8, 8), plan="jsg/qcme"),
    "late": Fusion(channels=(4, 4, 4, 8, 8), plan="late"),
    "transformer": Fusion(channels=(4, 8, 8, 8), plan="jsgjsgj", backbone="transformer"),
}


def probe(method: Fusion, shape: tuple[int, ...] = (32, 24)) -> Probe:
    draw = torch.Generator().manual_seed(3)
    fixed, moving = torch.rand(2, 4, 1, *shape, generator=draw)
    return Probe(method=method, fixed=fixed, moving=moving, spacing_mm=(1.0,) * len(shape))


@pytest.mark.parametrize("name", known_proxies())
@pytest.mark.parametrize("kind", ["coarse to fine", "transformer"])
def test_a_proxy_is_a_finite_number_and_the_same_again(name: str, kind: str) -> None:
    proxy, here = load_proxy(name), torch.random.get_rng_state()
    first, again = (proxy.measure(probe(METHODS[kind])) for _ in range(2))
    assert math.isfinite(first)
    assert first == again
    assert torch.equal(here, torch.random.get_rng_state())


@pytest.mark.parametrize("name", known_proxies())
def test_a_proxy_tells_plans_apart_and_names_its_source(name: str) -> None:
    proxy = load_proxy(name)
    scores = {kind: proxy.measure(probe(METHODS[kind])) for kind in ("gates", "coarse to fine", "late")}
    assert len(set(scores.values())) == 3
    assert proxy.name == name
    assert proxy.source


@pytest.mark.parametrize("name", known_proxies())
def test_a_proxy_serves_volumes(name: str) -> None:
    small = probe(replace(METHODS["late"], plan="jsg/jscj"), (32, 16, 16))
    assert math.isfinite(load_proxy(name).measure(replace(small, fixed=small.fixed[:2], moving=small.moving[:2])))
