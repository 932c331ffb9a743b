"""The building blocks against torch's own layers."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from fusemorph.networks.blocks import Convolution3d, convolution, takes_slow_path

KERNELS = ((3, 3, 3), (5, 5, 5), (5, 1, 1), (1, 5, 1))
SHAPES = ((2, 2, 2), (2, 8, 8), (3, 4, 3), (4, 4, 4), (8, 3, 8), (6, 6, 6))


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def soil_memory() -> None:
    """Fill blocks of memory with large numbers and free them: who does not write his result finds these."""
    blocks = [torch.full((4**power,), 1e20) for power in range(3, 11)]
    del blocks


def gradients(layer: nn.Module, images: Tensor, weights: Tensor, *, precision: torch.dtype) -> list[Tensor]:
    """Output of a layer, and the gradients of its parameters and input under a weighted sum of the output."""
    images = images.clone().requires_grad_()
    with torch.autocast("cpu", precision, enabled=precision == torch.bfloat16):
        output = layer(images)
    soil_memory()
    inputs = [*layer.parameters(), images]
    return [output.detach().float(), *torch.autograd.grad((output.float() * weights).sum(), inputs)]


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradients_in_bfloat16_are_those_of_float32(shape: tuple[int, ...], kernel: tuple[int, ...]) -> None:
    """On a CPU without AMX, torch 2.13's own layer fails where the first axis is shorter than the kernel."""
    torch.manual_seed(0)
    layer = convolution(3, 16, 16, kernel=kernel)
    images, weights = torch.randn(1, 16, *shape), torch.randn(1, 16, *shape)
    exact = gradients(layer, images, weights, precision=torch.float32)
    for _ in range(4):
        for got, wanted in zip(gradients(layer, images, weights, precision=torch.bfloat16), exact, strict=True):
            assert float((got - wanted).abs().max()) < 0.02 * float(wanted.abs().max())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_padding_by_hand_changes_no_value(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = convolution(3, 4, 4, kernel=5)
    assert isinstance(layer, Convolution3d)
    images = torch.randn(2, 4, *shape)
    torch.testing.assert_close(layer(images), nn.Conv3d.forward(layer, images))


@pytest.mark.parametrize("kernel", [(1, 1, 1), (3, 3, 3), (5, 1, 1), (1, 5, 1)], ids=str)
@pytest.mark.parametrize("shape", [(2, 2, 2), (3, 4, 3), (7, 6, 5), (8, 6, 6)], ids=str)
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.usefixtures("one_thread")
def test_images_off_the_slow_path_have_the_values_and_gradients_of_torch(
    shape: tuple[int, ...], kernel: tuple[int, int, int], batch: int
) -> None:
    torch.manual_seed(0)
    layer = convolution(3, 6, 4, kernel=kernel)
    assert takes_slow_path(torch.zeros(batch, 6, *shape), kernel) == (batch == 1 or kernel[1:] == (1, 1))
    images, weights = torch.randn(batch, 6, *shape), torch.randn(batch, 4, *shape)
    ours = gradients(layer, images, weights, precision=torch.float32)
    with torch.no_grad():
        plain = nn.Conv3d(6, 4, kernel, padding=layer.padding)  # type: ignore[arg-type]
        plain.load_state_dict(layer.state_dict())
    for got, wanted in zip(ours, gradients(plain, images, weights, precision=torch.float32), strict=True):
        torch.testing.assert_close(got, wanted, rtol=2e-5, atol=2e-5)


@pytest.mark.usefixtures("one_thread")
def test_the_slow_path_is_that_of_small_float32_images_alone() -> None:
    small = torch.zeros(1, 8, 24, 32, 24)
    assert takes_slow_path(small, (3, 3, 3))
    assert not takes_slow_path(small.expand(2, *small.shape[1:]), (3, 3, 3))
    assert not takes_slow_path(torch.zeros(1, 32, 24, 32, 24), (3, 3, 3))
    assert not takes_slow_path(small.bfloat16(), (3, 3, 3))
    assert not takes_slow_path(small.to("meta"), (3, 3, 3))
    assert not takes_slow_path(torch.zeros(16, 8, 24, 32, 24), (5, 1, 1))
    with torch.autocast("cpu", torch.bfloat16):
        assert not takes_slow_path(small, (3, 3, 3))
