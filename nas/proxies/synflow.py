"""``synflow``: how much can flow through the network's weights, whatever the images."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from fusemorph.fusion.fusion_network import FusionNetwork
from fusemorph.networks.head import ResidualHead, VelocityHead
from nas.proxy import Probe, Proxy, weights_of

NORMS = (F.batch_norm, F.layer_norm, F.instance_norm)


class _WithoutNorms(TorchFunctionMode):
    """Lets features pass through norms as they are."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return args[0] if func in NORMS else func(*args, **(kwargs or {}))


def synflow(probe: Probe) -> float:
    """The logarithm of the sum over weights of |weight x gradient|, of the sum of the last feature.

    Weights are positive, images are ones, norms are off, in float64. The heads are silent: with velocities of such
    sizes everything would be warped to the border. The sum itself spans tens of orders of magnitude; ranks are the
    same.
    """
    network = _positive(probe)
    flowing: list[Tensor] = []
    network.head.register_forward_pre_hook(lambda _, inputs: flowing.append(inputs[0]))
    image = torch.ones(1, 1, *probe.shape, dtype=torch.float64, device=probe.fixed.device)
    with _WithoutNorms():
        network(image, image)
    flowing[0].sum().backward()  # type: ignore[no-untyped-call]
    weights = [(weight.detach(), weight.grad) for weight in weights_of(network) if weight.grad is not None]
    flow = sum(float((weight * gradient).abs().sum()) for weight, gradient in weights)
    return math.log(flow) if flow > 0 else -math.inf


def _positive(probe: Probe) -> FusionNetwork:
    network = probe.network().double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
        for module in network.modules():
            if isinstance(module, VelocityHead | ResidualHead):
                for parameter in module.mean.parameters():
                    parameter.zero_()
    return network


PROXY = Proxy(
    name="synflow",
    source="Tanaka et al. 2020, SynFlow, NeurIPS, arXiv 2006.05467; as a proxy: Abdelfattah et al. 2021",
    measure=synflow,
)
