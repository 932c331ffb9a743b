"""Zero-cost proxies as a search uses them: as objectives, and to choose the points that are tried first."""

import time
from collections.abc import Callable

import numpy as np
import torch

from experiments.runner.search_setup import SearchSetup
from fusemorph.configuration import Json
from fusemorph.data.dataset import Dataset
from fusemorph.fusion.method import Fusion
from fusemorph.method import Method, load_method
from nas.estimates import Estimates, Score, ranking_value
from nas.objectives import Objective
from nas.proxy import PAIRS, SEED, Probe, load_proxy, probe_of
from nas.searcher import RandomSearcher
from nas.space import Values

POOL = 100
"""So many points of a space are estimated for a warm start."""
WARM = 10
"""So many of them, the best, are tried first: as many as a searcher draws at random before it has learned enough."""


def estimator(setup: SearchSetup) -> Callable[[Objective, Json], float]:
    """What tells the value of a proxy for a configuration: the mean over the data sets, from the run folder or now."""

    def estimate(objective: Objective, method: Json) -> float:
        return float(np.mean([proxy_score(setup, objective.name, dataset, method).value for dataset in setup.datasets]))

    return estimate


def proxy_score(setup: SearchSetup, name: str, dataset: Dataset, method: Json) -> Score:
    """The score of a configuration by the proxy of that name, measured where the run folder does not have it.

    Raises:
        RecordError, StorageError: a file of the scores is damaged, or cannot be written.
    """
    estimates = proxy_estimates(setup, name, dataset)
    device = torch.device(setup.options.execution.device)
    torch.set_num_threads(setup.options.execution.threads)
    probed = fusion_of(load_method(method).for_dataset(dataset), name)
    return estimates.take(method, lambda: load_proxy(name).measure(probe_of(probed, dataset, device=device)))


def proxy_estimates(setup: SearchSetup, name: str, dataset: Dataset) -> Estimates:
    """The scores of a proxy on a data set, in the run folder."""
    settings = {"pairs": PAIRS, "seed": SEED, "dataset": dataset.configuration()}
    return Estimates(setup.options.runs, name, settings)


def proxy_seconds(name: str, method: Fusion, shape: tuple[int, ...], *, device: torch.device) -> float:
    """Seconds that the proxy takes here for a method, on images of that shape without content."""
    fixed, moving = torch.rand(2, PAIRS, 1, *shape, device=device)
    probe = Probe(method=method, fixed=fixed, moving=moving, spacing_mm=(1.0,) * len(shape))
    proxy, began = load_proxy(name), time.perf_counter()
    proxy.measure(probe)
    return time.perf_counter() - began


def fusion_of(method: Method, proxy: str) -> Fusion:
    """The method as one that proxies know.

    Raises:
        ValueError: it is another one than fusion.
    """
    if not isinstance(method, Fusion):
        raise ValueError(f"{proxy}: proxies are measured of the method fusion, got {method.name}")
    return method


def warm_points(setup: SearchSetup) -> tuple[Values, ...]:
    """The points that a search tries first: by the proxy asked for the best of ``POOL`` drawn ones; else none."""
    name = setup.options.search.warm_start
    if name is None:
        return ()
    searcher = RandomSearcher(setup.space, setup.options.search.search_seed)
    points: list[Values] = []
    while len(points) < POOL and (values := searcher.ask()) is not None:
        points.append(values)
    print(f"{setup.name}: {len(points)} configurations estimated by {name} for a warm start", flush=True)
    value = estimator(setup)
    objective = Objective(name=name, title=name, direction="maximize", column="", proxy=True)
    scores = [ranking_value(value(objective, setup.space.configure(values)[0])) for values in points]
    best_first = sorted(range(len(points)), key=lambda i: -scores[i])
    return tuple(points[i] for i in best_first[:WARM])
