"""What every method must do; runs over the fusion networks and each baseline found."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fusemorph.data.dataset import Pair, Scan
from fusemorph.external import ExternalMethod
from fusemorph.losses.training_loss import total
from fusemorph.method import Method, PairFailed, known_methods, load_method
from fusemorph.trials.measures import METRICS
from fusemorph.warp import warp

SUPERNET = {"name": "supernet", "of": {"name": "fusion", "channels": [4, 8, 8, 16, 16]}, "plans": ["autofuse"]}
"""Of one plan: a step trains the weights of one alone."""
SMALL: dict[str, dict[str, Any]] = {
    "cross_stitch": {"width": 4},
    "daff": {"width": 4},
    "deepatlas": {"width": 4},
    "demons": {"iterations": [10, 10, 5]},
    "fine_tuned": {"of": SUPERNET},
    "fusion": {"channels": [4, 8, 8, 16, 16]},
    "instance_optimisation": {"steps": 3},
    "lapirn": {"channels": 8},
    "pc_reg": {"width": 4},
    "segmentation_alone": {"width": 4},
    "shared_encoder": {"width": 4},
    "supernet": SUPERNET,
    "transmorph": {"width": 6, "heads": [2, 2, 4, 4], "window": [3, 4, 3]},
}
CPU = torch.device("cpu")
SHAPES = [(24, 32, 17), (32, 20)]
IN_THE_TESTS = {"demons"}
"""Methods of another package, SimpleITK, that the tests install; the others' come with ``nox -s classical``."""


def make(name: str) -> Method:
    return load_method({"name": name, **SMALL.get(name, {})})


def make_pair(shape: tuple[int, ...]) -> Pair:
    rng = np.random.default_rng(0)
    from_centre = (np.indices(shape).T - (np.array(shape) - 1) / 2).T
    scans = [
        Scan(
            id=subject, subject=subject, labels=None, spacing_mm=(1.0, 1.5, 0.8)[: len(shape)],
            affine=np.eye(len(shape) + 1),
            # Methods that align the two need something to align.
            image=(np.exp(-(from_centre**2).sum(0) / width**2) + 0.1 * rng.random(shape)).astype(np.float32),
        )
        for subject, width in (("a", 6.0), ("b", 7.0))
    ]  # fmt: skip
    truth = rng.normal(size=(len(shape), *shape)).astype(np.float32)
    return Pair(split="val", fixed=scans[0], moving=scans[1], block="0", displacement=truth)


def needs_more(name: str) -> bool:
    return isinstance(make(name), ExternalMethod) and name not in IN_THE_TESTS


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.classical if needs_more(n) else []) for n in known_methods()]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_any_pair_gives_one_displacement_and_the_same_again(name: str, shape: tuple[int, ...]) -> None:
    method, pair = make(name), make_pair(shape)
    if isinstance(method, ExternalMethod) and len(shape) not in method.dims:
        with pytest.raises(PairFailed, match=f"these are {len(shape)}-D"):
            method.register(pair, network=None, device=CPU)
        return
    network = method.network(len(shape))
    first, again = (method.register(pair, network=network, device=CPU) for _ in range(2))
    assert first.shape == (1, len(shape), *shape)
    assert first.isfinite().all()
    assert method.nondeterministic or torch.equal(first, again)


@pytest.mark.parametrize("name", [name for name in known_methods() if needs_more(name)])
def test_a_method_that_is_not_installed_says_how_to_install_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    for variable in ("FUSEMORPH_INTERPRETERS", "FUSEMORPH_NIFTYREG"):
        monkeypatch.setenv(variable, "/nowhere/at/all")
    reason = make(name).missing()
    assert reason is not None
    assert "pip install" in reason
    with pytest.raises(PairFailed) as failure:
        make(name).register(make_pair(SHAPES[0]), network=None, device=CPU)
    assert str(failure.value) == reason


@pytest.mark.parametrize("name", known_methods())
def test_published_scores_name_their_source(name: str) -> None:
    for score in make(name).published:
        assert score.dataset == score.dataset.lower()
        assert score.metric in METRICS
        assert 0 < score.value < 1 or score.metric != "dice"
        assert score.source


@pytest.mark.parametrize("name", known_methods())
def test_a_configuration_is_read_back(name: str) -> None:
    method = make(name)
    assert load_method(method.configuration()) == method


@pytest.mark.parametrize("name", known_methods())
def test_a_method_names_its_source_and_learns_only_with_an_objective(name: str) -> None:
    method = make(name)
    assert method.name == name
    assert method.source
    assert (method.objective is None) == (method.network(3) is None)


@pytest.mark.parametrize("name", [name for name in known_methods() if make(name).objective])
@pytest.mark.parametrize("shape", [(24, 32, 17), (32, 20)])
def test_every_weight_of_a_learned_method_gets_a_finite_gradient(name: str, shape: tuple[int, ...]) -> None:
    method = make(name)
    network, objective = method.network(len(shape)), method.objective
    assert network is not None
    assert objective is not None
    fixed, moving = torch.rand(2, 1, 1, *shape)
    registration = network(fixed, moving, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(0, 4, (1, 1, *shape)), torch.randint(0, 4, (1, 1, *shape))
    terms = objective.terms(
        registration, fixed=fixed, warped=warp(moving, registration.displacement), labels=labels, label_ids=(1, 2, 3)
    )
    total(terms).backward()
    gradients = {weight: parameter.grad for weight, parameter in network.named_parameters()}
    assert [weight for weight, gradient in gradients.items() if gradient is None or not gradient.isfinite().all()] == []


@pytest.mark.parametrize("name", [name for name in known_methods() if make(name).objective])
def test_a_learned_method_lowers_its_own_loss(name: str) -> None:
    method = make(name)
    torch.manual_seed(0)
    network, objective = method.network(2), method.objective
    assert network is not None
    assert objective is not None
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    fixed, moving = (torch.exp(-((rows - x) ** 2 + (columns - x) ** 2) / 40)[None, None] for x in (15.0, 18.0))
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        registration = network(fixed, moving, generator=torch.Generator().manual_seed(0))
        warped, labels = warp(moving, registration.displacement), ((fixed > 0.5).short(), (moving > 0.5).short())
        loss = total(objective.terms(registration, fixed=fixed, warped=warped, labels=labels, label_ids=(1, 2, 3)))
        losses.append(float(loss.detach()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < losses[0]


def test_unknown_methods_and_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown method 'demons_of_maxwell'; known: .*fusion, .*identity"):
        load_method({"name": "demons_of_maxwell"})
    with pytest.raises(ValueError, match="settings of 'identity' do not fit"):
        load_method({"name": "identity", "strength": 1})
    with pytest.raises(ValueError, match="unknown operator x"):
        load_method({"name": "fusion", "plan": "jjjjjjx"})


def test_settings_of_gates_do_not_count_without_a_gate() -> None:
    settings = {"name": "fusion", "plan": "early", "gate": {"temperature": 3.0}}
    assert load_method(settings) == load_method({"name": "fusion", "plan": "early"})


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from fusemorph.storage import DamagedFile, RecordError
    from fusemorph.trials.load import load_network

    early = make("fusion")
    save_file({"strange": torch.zeros(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match=r"weights\.safetensors do not fit the method 'fusion'"):
        load_network(tmp_path, early, 3)
    with pytest.raises(RecordError, match=r"weights\.safetensors must be a regular file"):
        load_network(tmp_path / "nowhere", early, 3)
    (tmp_path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(DamagedFile, match=r"weights\.safetensors cannot be read as weights"):
        load_network(tmp_path, early, 3)
