"""The contract of a zero-cost proxy: a number, from an untrained network and a few pairs, that may tell its worth.

A proxy is a file of ``nas/proxies``, found by its module's name, that defines one ``Proxy``. To add one, add such a
file; the contract tests then cover it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.catalogue import Kind, entries, load_entry
from fusemorph.data.dataset import Dataset, Pair
from fusemorph.fusion.fusion_network import FusionNetwork
from fusemorph.fusion.method import Fusion
from fusemorph.losses.training_loss import total
from fusemorph.networks.head import ResidualHead, VelocityHead
from fusemorph.networks.padding import padded_shape
from fusemorph.networks.registration import Registration
from fusemorph.trials.batches import stack_images
from fusemorph.warp import warp

PROXIES = Kind(name="proxy", plural="proxies", package="nas.proxies")
SEED = 0
"""Of the initial weights and of the pairs: a proxy is a number, and no draw."""
PAIRS = 8
DRAWS = 8


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a proxy looks at: a method, and pairs ``(n, 1, *s)`` to show its untrained network."""

    method: Fusion
    fixed: Float[Tensor, "n 1 *s"]
    moving: Float[Tensor, "n 1 *s"]
    spacing_mm: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The sides of the images, as the network pads them."""
        return padded_shape(tuple(self.fixed.shape[2:]))

    @property
    def pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Fixed and moving image of each pair."""
        return ((self.fixed[i : i + 1], self.moving[i : i + 1]) for i in range(len(self.fixed)))

    def network(self) -> FusionNetwork:
        """The untrained network, its heads as convolutions begin.

        The small values that heads are given before training make every gradient behind them vanish, and with them what
        is to be compared.
        """
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(SEED)
            network = self.method.network(self.fixed.dim() - 2)
            for module in network.modules():
                if isinstance(module, VelocityHead | ResidualHead):
                    module.mean.reset_parameters()
        return network.to(self.fixed.device)

    def loss(self, network: FusionNetwork, fixed: Tensor, moving: Tensor) -> Tensor:
        """The training loss of a pair, without labels, for the mean velocity."""
        registration: Registration = network(fixed, moving)
        warped = warp(moving, registration.displacement)
        terms = self.method.objective.terms(registration, fixed=fixed, warped=warped, spacing_mm=self.spacing_mm)
        return total(terms)

    def gradient(self) -> list[tuple[Tensor, Tensor]]:
        """Weights of convolutions and linear layers, and the gradient of the mean loss over the pairs in each."""
        network = self.network()
        for fixed, moving in self.pairs:  # one by one, as batches of volumes are large
            (self.loss(network, fixed, moving) / len(self.fixed)).backward()  # type: ignore[no-untyped-call]
        return [(p, p.grad) for p in weights_of(network) if p.grad is not None]


def weights_of(network: nn.Module) -> list[nn.Parameter]:
    """The weights of convolutions and linear layers, without biases."""
    return [parameter for parameter in network.parameters() if parameter.dim() > 1]


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A number that is larger, it is hoped, for plans that register better; ``source`` names the publication.

    It may be infinite or NaN, which ranks last.
    """

    name: str
    source: str
    measure: Callable[[Probe], float]


def known_proxies() -> tuple[str, ...]:
    """Names of the proxies that can be found."""
    return tuple(entries(PROXIES))


def load_proxy(name: str) -> Proxy:
    """The proxy of that name.

    Raises:
        ValueError: there is none (the known ones are listed), or its file is no entry.
    """
    proxy: Proxy = load_entry(PROXIES, name, Proxy)
    return proxy


def probe_of(method: Fusion, dataset: Dataset, *, device: torch.device) -> Probe:
    """The probe of a method on ``PAIRS`` training pairs of a data set, or all there are, the same for every method.

    Raises:
        ValueError: the method segments; its proxies would say nothing of that.
    """
    if method.segmentation != "none":
        raise ValueError(f"probe_of(): 'method' must segment nothing, got segmentation {method.segmentation!r}")
    distinct: dict[tuple[str, str], Pair] = {}  # two that are one could not be told apart, which some proxies ask for
    for step in range(DRAWS):
        if len(distinct) < PAIRS:
            rng = np.random.default_rng([SEED, step])
            drawn = [dataset.training_pair(rng) for _ in range(PAIRS)]
            distinct |= {(pair.fixed.id, pair.moving.id): pair for pair in drawn}
    fixed, moving = stack_images(list(distinct.values())[:PAIRS], device)
    return Probe(method=method, fixed=fixed, moving=moving, spacing_mm=dataset.spacing_mm)
