"""How much memory a training step will take, told from tensors without values: in seconds, at any size."""

import weakref
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fusemorph.configuration import Budget
from fusemorph.method import Method
from fusemorph.networks.padding import padded_shape
from fusemorph.trials.step import TrainingStep, set_checkpointing

ADAM_STATES = 2
"""Moments that Adam keeps of each parameter, from the first update on."""


class _Live(TorchDispatchMode):
    """Counts the bytes of all tensors that are alive, and the most there ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._see(leaf.untyped_storage())
        return result

    def _see(self, storage: torch.UntypedStorage) -> None:
        if id(storage) in self._known:
            return
        self._known.add(id(storage))
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, id(storage), storage.nbytes())

    def _forget(self, name: int, size: int) -> None:
        self._known.discard(name)
        self.now -= size


@cache  # asked for every seed of an arm
def training_memory_bytes(
    method: Method, budget: Budget, shape: tuple[int, ...], *, labels: int = 0, checkpointing: bool = False
) -> int:
    """The most bytes that weights, optimiser, activations and gradients of a step take at once; 0 without a network.

    What convolutions of a library need inside, and what an allocator loses, come on top. ``labels``: how many there
    are, where the loss reads them.
    """
    objective = method.objective
    if objective is None:
        return 0
    device, inner = torch.device("cpu"), padded_shape(shape)
    with FakeTensorMode(), _Live() as live:
        network = method.network(len(shape))
        assert network is not None
        set_checkpointing(network, checkpointing)
        step = TrainingStep(
            network, objective, budget, label_ids=range(1, labels + 1), spacing_mm=(1.0,) * len(shape), device=device
        )
        images = [torch.rand(budget.batch_size, 1, *inner) for _ in range(2)]
        maps = [torch.zeros(budget.batch_size, 1, *inner, dtype=torch.int16) for _ in range(2)]
        labelled = (maps[0], maps[1]) if objective.dice_weight and labels else None
        # The last step: networks that are trained in parts use all of them by then.
        step.gradient((images[0], images[1]), labelled, seed=0, step=budget.steps - 1)
        weights = sum(parameter.nbytes for parameter in network.parameters())
    return live.peak + ADAM_STATES * weights
