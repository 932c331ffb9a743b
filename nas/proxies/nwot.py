"""``nwot``: how well the signs inside the network tell pairs apart."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from nas.proxy import Probe, Proxy


class _Agreements(TorchFunctionMode):
    """Counts, for each two pairs, the units of activations that have the same sign in both."""

    def __init__(self, pairs: int) -> None:
        super().__init__()
        self.counts = np.zeros((pairs, pairs))

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in (F.leaky_relu, F.gelu):
            # The single-image path sees the fixed images, then the moving ones: both are of their pair.
            signs = (args[0] > 0).reshape(-1, len(self.counts), args[0][0].numel()).transpose(0, 1).flatten(1)
            codes = 2 * signs.float() - 1
            self.counts += ((codes @ codes.T).double().cpu().numpy() + codes.shape[1]) / 2
        return func(*args, **(kwargs or {}))


def nwot(probe: Probe) -> float:
    """The logarithm of the determinant of the matrix of agreements; minus infinity where two pairs agree throughout."""
    network, counting = probe.network(), _Agreements(len(probe.fixed))
    with torch.no_grad(), counting:
        network(probe.fixed, probe.moving)
    sign, logarithm = np.linalg.slogdet(counting.counts)
    return float(logarithm) if sign > 0 else float("-inf")


PROXY = Proxy(
    name="nwot",
    source="Mellor et al. 2021, Neural Architecture Search without Training, ICML, arXiv 2006.04647",
    measure=nwot,
)
