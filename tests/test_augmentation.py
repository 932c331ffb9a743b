"""Augmentation of training pairs: what both images share, what each has of its own, and that labels follow."""

import numpy as np
import pytest
import torch

from fusemorph.augmentation import augment

SUBSETS = ((), (2,), (3,), (4,), (2, 3), (2, 4), (3, 4), (2, 3, 4))


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    first, second = torch.rand(2, 1, 1, 12, 10, 8, generator=torch.Generator().manual_seed(0))
    return first, second


def labels_of(images: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    return (images[0] > 0.5).short(), (images[1] > 0.5).short()


def test_flips_are_shared_and_labels_follow() -> None:
    images, seen = pair(), set()
    for seed in range(40):
        moved, labels = augment(images, labels_of(images), kind="flip", rng=np.random.default_rng(seed))
        mirrored = {axes: [image.flip(axes) for image in images] for axes in SUBSETS}
        flips = [axes for axes, expected in mirrored.items() if all(map(torch.equal, moved, expected))]
        assert len(flips) == 1
        seen.add(flips[0])
        assert labels is not None
        assert all(torch.equal(a, b) for a, b in zip(labels, labels_of(moved), strict=True))
    assert len(seen) == 8


def test_affine_noise_is_each_image_s_own_and_labels_follow() -> None:
    x = torch.linspace(-1, 1, 49)
    squares = torch.stack(torch.meshgrid(x, x, x, indexing="ij")).square()
    ball = (squares.sum(dim=0) < 0.4).float()[None, None]
    images = (ball, ball.clone())
    moved, labels = augment(images, (ball.short(), ball.short()), kind="affine", rng=np.random.default_rng(3))
    assert not torch.allclose(moved[0], moved[1], atol=0.05)
    assert labels is not None
    for image, of_image in zip(moved, labels, strict=True):
        assert of_image.dtype == torch.int16
        assert set(of_image.unique().tolist()) == {0, 1}
        inside = image > 0.5
        overlap = 2 * (inside & (of_image == 1)).sum() / (inside.sum() + of_image.sum())
        assert float(overlap) > 0.95
        assert not torch.equal(of_image, ball.short())


@pytest.mark.parametrize("kind", ["none", "flip", "affine"])
def test_the_generator_decides_and_values_stay_in_range(kind: str) -> None:
    images = pair()
    first, again = (augment(images, None, kind=kind, rng=np.random.default_rng(5))[0] for _ in range(2))  # type: ignore[arg-type]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(float(image.min()) >= 0 and float(image.max()) <= 1 for image in first)
    assert (first[0] is images[0]) == (kind == "none")
