"""``flops``: how much is computed for one pair; the other control."""

from fusemorph.complexity import count_flops
from nas.proxy import Probe, Proxy


def flops(probe: Probe) -> float:
    """Forward FLOPs for one pair."""
    return float(count_flops(probe.method, probe.shape))


PROXY = Proxy(
    name="flops",
    source="White et al. 2022, A Deeper Look at Zero-Cost Proxies for Lightweight NAS, ICLR blog track",
    measure=flops,
)
