"""``jacov``: how differently the network responds to changes of different pairs."""

import numpy as np
import torch
from torch import Tensor

from fusemorph.fusion.fusion_network import FusionNetwork
from nas.proxy import SEED, Probe, Proxy

FLOOR = 1e-5


def jacov(probe: Probe) -> float:
    """A score of the correlations between the pairs' Jacobians: high where they differ.

    A Jacobian is the gradient, in both images, of the last feature projected on random signs, the same for each pair:
    the sum over a feature, as in the source, is constant behind an instance norm.
    """
    network = probe.network().requires_grad_(False)
    rows = [_gradient(network, fixed, moving) for fixed, moving in probe.pairs]
    correlation = np.corrcoef(np.stack(rows))
    if not np.isfinite(correlation).all():
        return float("nan")
    eigenvalues = np.linalg.eigvalsh(correlation).clip(min=0)
    return float(-(np.log(eigenvalues + FLOOR) + 1 / (eigenvalues + FLOOR)).sum())


def _gradient(network: FusionNetwork, fixed: Tensor, moving: Tensor) -> np.ndarray:
    features: list[Tensor] = []
    hook = network.head.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    images = [image.clone().requires_grad_() for image in (fixed, moving)]
    network(*images)
    hook.remove()
    draw = torch.Generator().manual_seed(SEED)
    signs = torch.randint(0, 2, features[0].shape, generator=draw).to(features[0]) * 2 - 1
    gradients = torch.autograd.grad((features[0] * signs).sum(), images)
    return torch.cat([gradient.flatten() for gradient in gradients]).double().cpu().numpy()


PROXY = Proxy(
    name="jacov",
    source="Mellor et al. 2020, Neural Architecture Search without Training, first version, arXiv 2006.04647v1",
    measure=jacov,
)
