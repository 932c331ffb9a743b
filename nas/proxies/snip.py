"""``snip``: how much the loss would change, to first order, if weights were removed."""

from nas.proxy import Probe, Proxy


def snip(probe: Probe) -> float:
    """The sum over weights of |weight x gradient|."""
    return sum(float((weight.detach() * gradient).abs().double().sum()) for weight, gradient in probe.gradient())


PROXY = Proxy(
    name="snip",
    source="Lee et al. 2019, SNIP, ICLR, arXiv 1810.02340; as a proxy: Abdelfattah et al. 2021, arXiv 2101.08134",
    measure=snip,
)
