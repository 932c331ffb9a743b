"""``parameters``: how many numbers are trained; the control of every other proxy."""

from fusemorph.complexity import count_parameters
from nas.proxy import Probe, Proxy


def parameters(probe: Probe) -> float:
    """The number of trained parameters."""
    return float(count_parameters(probe.method, len(probe.shape)))


PROXY = Proxy(
    name="parameters",
    source="White et al. 2022, A Deeper Look at Zero-Cost Proxies for Lightweight NAS, ICLR blog track",
    measure=parameters,
)
