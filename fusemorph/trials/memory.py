"""How much memory a training step will take, told from tensors without values: in seconds, at any size."""

import weakref
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fusemorph.configuration import Budget
from fusemorph.method import Method
from fusemorph.networks.padding import padded_shape
from fusemorph.trials.step import TrainingStep, set_checkpointing

ADAM_STATES = 2
"""Moments that Adam keeps of each parameter, from the first update on."""


class _Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors that are alive, and the most there ever were."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now: int = 0
        self.peak: int = 0
        self._counted: set[int] = set()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._see(leaf.untyped_storage())
        if "convolution" in str(func):
            # Libraries bring what they read and write to a layout of their own, for as long as the call lasts.
            leaves = tree_leaves((args, result))
            self.peak = max(self.peak, self.now + sum(leaf.nbytes for leaf in leaves if isinstance(leaf, Tensor)))
        return result

    def _see(self, storage: torch.UntypedStorage) -> None:
        if id(storage) in self._counted:
            return
        self._counted.add(id(storage))
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, id(storage), storage.nbytes())

    def _forget(self, name: int, size: int) -> None:
        self._counted.discard(name)
        self.now -= size


@cache  # asked for every seed of an arm
def training_memory_bytes(
    method: Method, budget: Budget, shape: tuple[int, ...], *, labels: int = 0, checkpointing: bool = False
) -> int:
    """The most bytes that weights, optimiser, activations and gradients of a step take at once; 0 without a network.

    What an allocator loses comes on top: within a tenth of what a CPU takes where each tensor is given back at once,
    but glibc keeps small blocks in a heap with holes, which doubles what checkpointing takes. ``labels``: how many
    there are, where the loss reads them.
    """
    objective = method.objective
    if objective is None:
        return 0
    device, inner, network = torch.device("cpu"), padded_shape(shape), method.network(len(shape))
    assert network is not None
    set_checkpointing(network, checkpointing)
    weights = sum(parameter.nbytes for parameter in network.parameters())
    fake = FakeTensorMode()
    _empty(network, fake)
    with fake, _Live() as live:
        step = TrainingStep(
            network, objective, budget, label_ids=range(1, labels + 1), spacing_mm=(1.0,) * len(shape), device=device
        )
        images = [torch.rand(budget.batch_size, 1, *inner) for _ in range(2)]
        maps = [torch.zeros(budget.batch_size, 1, *inner, dtype=torch.int16) for _ in range(2)]
        labelled = (maps[0], maps[1]) if objective.reads_labels and labels else None
        # The last step: networks that are trained in parts use all of them by then.
        step.gradient((images[0], images[1]), labelled, seed=0, step=budget.steps - 1)
    return int(live.peak + (1 + ADAM_STATES) * weights)


def _empty(network: nn.Module, fake: FakeTensorMode) -> None:
    """Put tensors without values in the place of parameters and buffers."""
    for module in network.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                empty = nn.Parameter(fake.from_tensor(parameter.detach()), requires_grad=parameter.requires_grad)
                module._parameters[name] = empty
        for name, buffer in module._buffers.items():
            module._buffers[name] = None if buffer is None else fake.from_tensor(buffer)
