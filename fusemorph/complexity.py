"""What a method costs before it is run: parameters and FLOPs, counted on the meta device."""

from functools import cache

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fusemorph.configuration import Json
from fusemorph.data.dataset import Dataset
from fusemorph.method import Method
from fusemorph.networks.padding import padded_shape
from fusemorph.networks.swin import WindowAttention

ATTENTIONS = (WindowAttention, nn.MultiheadAttention)


def count_cost(method: Method, shape: tuple[int, ...]) -> tuple[int, int]:
    """Parameters, and forward FLOPs as ``count_flops`` counts them; 0 and 0 without a network."""
    return count_parameters(method, len(shape)), count_flops(method, shape)


def describe(method: Method, dataset: Dataset) -> Json:
    """Facts that the configuration determines: grid of the images, canonical plan, parameters, FLOPs when padded."""
    parameters, flops = count_cost(method, padded_shape(dataset.shape))
    grid = {"shape": list(dataset.shape), "spacing_mm": list(dataset.spacing_mm)}
    return grid | {"plan": getattr(method, "plan", None), "parameters": parameters, "flops": flops}


@cache  # asked for every seed of an arm, and for every step of matching
def count_parameters(method: Method, dims: int) -> int:
    """Number of trained parameters, 0 without a network."""
    with torch.device("meta"):
        network = method.network(dims)
    return sum(parameter.numel() for parameter in network.parameters()) if network else 0


@cache
def count_flops(method: Method, shape: tuple[int, ...]) -> int:
    """Forward FLOPs of convolutions, linear layers and attention for one pair of that shape, 0 without a network.

    Attention is torch's ``MultiheadAttention`` and our ``WindowAttention``; products that another module makes by hand
    are not counted. Interpolations are left out, however they are computed, as in torch's own counter.
    """
    with torch.device("meta"):
        network = method.network(len(shape))
        if network is None:
            return 0
        image = torch.empty(1, 1, *shape)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(image, image)
    counts = counter.get_flop_counts()
    convolutions = sum(n for operation, n in counts["Global"].items() if "convolution" in str(operation))
    products = (f"{type(network).__name__}.{path}" for path in _matrix_products(network))
    return int(convolutions + sum(sum(counts.get(path, {}).values()) for path in products))


def _matrix_products(network: nn.Module) -> list[str]:
    """Paths of the attentions of a network, and of the linear layers outside them."""
    attentions = [path for path, part in network.named_modules() if isinstance(part, ATTENTIONS)]
    inside = tuple(f"{path}." for path in attentions)
    linear = [path for path, part in network.named_modules() if isinstance(part, nn.Linear)]
    return attentions + [path for path in linear if not path.startswith(inside)]
