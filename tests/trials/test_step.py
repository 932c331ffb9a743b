"""A training step on torch's meta device, which has no values: whatever asks for one, or brings one, fails there."""

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from fusemorph.configuration import Budget, Compiler
from fusemorph.fusion.fusion_network import FusionNetwork
from fusemorph.fusion.method import Fusion
from fusemorph.fusion.operator import GateSettings
from fusemorph.losses.training_loss import TrainingLoss
from fusemorph.method import LearnedMethod, known_methods, load_method
from fusemorph.trials.step import GRADIENT_NORM, TrainingStep

ROOT = Path(__file__).parents[2]
META, CPU = torch.device("meta"), torch.device("cpu")
BUDGET = Budget(steps=100, width=2, learning_rate=1e-3)
SMALL = Fusion(channels=(2, 4, 4, 8, 8))
EVERYTHING = TrainingLoss(
    diffusion_weight=1.0, bending_weight=1.0, dice_weight=1.0, levels=2, textured=True, coarser_weight=1.0,
    inverse_consistency_weight=1.0,
)  # fmt: skip
LABELS = (1, 2, 7)


class NothingFromTheHost(TorchFunctionMode):
    """Refuses what copies numbers between the host and the device, after which torch waits for the device."""

    refused = (torch.tensor, torch.as_tensor, torch.from_numpy, Tensor.new_tensor, Tensor.cpu, Tensor.item)

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        named = kwargs or {}
        given = [*args, *named.values()]
        tensors = {value.device.type for value in given if isinstance(value, Tensor)}
        places = {torch.device(value).type for value in (named.get("device"), *args[1:]) if _is_place(value)}
        if "meta" in tensors | places:
            assert func not in self.refused, f"{func} within a training step"
            assert func is not Tensor.to or places <= tensors, "a copy between devices within a training step"
        return func(*args, **named)


def _is_place(value: object) -> bool:
    return isinstance(value, torch.device) or value in ("cpu", "meta")


def step_on(
    device: torch.device,
    method: LearnedMethod,
    budget: Budget,
    shape: tuple[int, ...],
    *,
    checkpointing: bool = False,
    masked: bool = False,
) -> Mapping[str, Tensor]:
    with torch.device(device):
        torch.manual_seed(0)
        network = method.network(len(shape))
    assert network is not None
    if isinstance(network, FusionNetwork):
        network.checkpointing = checkpointing
    step = TrainingStep(
        network, method.loss, budget, label_ids=LABELS, spacing_mm=(1.0, 2.0, 3.0)[: len(shape)], device=device
    )
    draw = torch.Generator().manual_seed(1)
    images = torch.rand(2, 1, 1, *shape, generator=draw).to(device).unbind()
    labels = torch.randint(0, 3, (2, 1, 1, *shape), generator=draw, dtype=torch.int16).to(device).unbind()
    inside = torch.randint(0, 2, (2, 1, 1, *shape), generator=draw, dtype=torch.int16).to(device).unbind()
    masks = (inside[0], inside[1]) if masked else None
    with NothingFromTheHost() if device == META else nullcontext():
        return step((images[0], images[1]), (labels[0], labels[1]), masks, seed=0, step=50)


@pytest.mark.parametrize("name", [n for n in known_methods() if isinstance(load_method({"name": n}), LearnedMethod)])
def test_every_learned_method_is_trained_without_a_value(name: str) -> None:
    method = load_method({"name": name})
    assert isinstance(method, LearnedMethod)
    assert method.network(2) is not None
    terms = step_on(META, method, BUDGET, (32, 32, 32))
    assert GRADIENT_NORM in terms
    assert all(term.device == META and term.shape == () for term in terms.values())


@pytest.mark.parametrize("masked", [False, True], ids=["everywhere", "within masks"])
@pytest.mark.parametrize(
    ("loss", "plan", "shape"),
    [
        (EVERYTHING, "ggggggg", (32, 32, 16)),
        (EVERYTHING, "jsc/qqmq", (32, 16, 16)),
        (EVERYTHING, "adesppg", (32, 32)),
        (TrainingLoss(similarity="mse", kl_weight=0.0, diffusion_weight=1.0), "late", (32, 32)),
        (TrainingLoss(similarity="mutual_information", bending_weight=1.0), "jsc/qqmq", (32, 32)),
    ],
    ids=["gates, 3-D", "coarse to fine, 3-D", "other operators", "MSE", "mutual information"],
)
def test_every_objective_and_operator_is_trained_without_a_value(
    loss: TrainingLoss, plan: str, shape: tuple[int, ...], masked: bool
) -> None:
    method = replace(SMALL, plan=plan, loss=loss, gate=GateSettings(hard=True))
    terms = step_on(META, method, replace(BUDGET, symmetric=True), shape, masked=masked)
    assert all(term.device == META for term in terms.values())
    wanted = {"similarity", "kl", "diffusion", "bending", "folding_penalty", "dice_loss", "inverse_consistency"}
    assert loss is not EVERYTHING or wanted <= set(terms)


@pytest.mark.slow  # tracing takes a minute
@pytest.mark.parametrize("checkpointing", [False, True], ids=["all kept", "checkpointing"])
@pytest.mark.parametrize(
    ("plan", "shape", "backend"),
    [("ggggggg", (32, 32), "aot_eager"), ("jsc/qqmq", (32, 32), "eager"), ("jsg/qmcq", (32, 16, 16), "eager")],
)
def test_a_compiled_step_is_one_graph_with_the_same_numbers(
    plan: str, shape: tuple[int, ...], backend: Compiler, checkpointing: bool
) -> None:
    """In a process of its own, as it is used: the checks of shapes that pytest puts in everywhere cannot be traced."""
    call = f"compare_compiled({plan!r}, {shape!r}, {backend!r}, {checkpointing!r})"
    done = subprocess.run(
        [sys.executable, "-c", f"from tests.trials.test_step import compare_compiled; {call}"],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def compare_compiled(plan: str, shape: tuple[int, ...], backend: Compiler, checkpointing: bool) -> None:
    method = replace(SMALL, plan=plan, loss=EVERYTHING, gate=GateSettings(hard=True))
    budget = replace(BUDGET, symmetric=True, precision="float32")
    masked = plan != "ggggggg"
    plain = step_on(CPU, method, budget, shape, masked=masked)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of what it traces
        together = step_on(
            CPU, method, replace(budget, compiler=backend), shape, checkpointing=checkpointing, masked=masked
        )
    assert plain.keys() == together.keys()
    for name, term in plain.items():
        torch.testing.assert_close(together[name], term, rtol=1e-4, atol=1e-5)
