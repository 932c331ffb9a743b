"""``grad_norm``: how large the gradient of the loss is before the first step."""

from nas.proxy import Probe, Proxy


def grad_norm(probe: Probe) -> float:
    """The sum over layers of the Euclidean norm of the gradient in their weights."""
    return sum(float(gradient.double().norm()) for _, gradient in probe.gradient())


PROXY = Proxy(
    name="grad_norm",
    source="Abdelfattah et al. 2021, Zero-Cost Proxies for Lightweight NAS, ICLR, arXiv 2101.08134",
    measure=grad_norm,
)
