import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from fusemorph.losses import mutual_information


def textured(seed: int) -> torch.Tensor:
    return torch.rand(1, 1, 24, 24, 24, generator=torch.Generator().manual_seed(seed))


def by_parzen_windows(fixed: np.ndarray, warped: np.ndarray, bins: int) -> tuple[float, float]:
    """Mutual information and normalised one, from kernels evaluated at every bin."""
    hat, cubic = BSpline.basis_element([-1, 0, 1], False), BSpline.basis_element([-2, -1, 0, 1, 2], False)
    weights = []
    for image, kernel in ((fixed, hat), (warped, cubic)):
        position = 1 + (image - image.min()) / np.ptp(image) * (bins - 3)
        weights.append(np.nan_to_num(kernel(position.ravel()[:, None] - np.arange(bins))))
    joint = weights[0].T @ weights[1] / fixed.size

    def entropy(p: np.ndarray) -> float:
        return -float(np.sum(p[p > 0] * np.log(p[p > 0])))

    marginals = entropy(joint.sum(axis=0)) + entropy(joint.sum(axis=1))
    return marginals - entropy(joint), marginals / entropy(joint)


@pytest.mark.parametrize("bins", [4, 16, 32])
def test_equals_the_definition(bins: int) -> None:
    fixed = textured(1)
    warped = (1 - fixed) ** 2 + 0.1 * textured(2)
    information, normalised = by_parzen_windows(fixed.double().numpy(), warped.double().numpy(), bins)
    assert mutual_information(fixed, warped, bins=bins).item() == pytest.approx(-information, abs=1e-4)
    assert mutual_information(fixed, warped, bins=bins, normalised=True).item() == pytest.approx(-normalised, abs=1e-4)


@pytest.mark.parametrize("normalised", [False, True])
def test_a_function_of_the_image_is_alike_and_another_image_is_not(normalised: bool) -> None:
    fixed = textured(1)
    alike = mutual_information(fixed, torch.cos(3 * fixed), normalised=normalised).item()
    unlike = mutual_information(fixed, textured(2), normalised=normalised).item()
    assert alike < unlike - 0.25
    assert unlike == pytest.approx(-1.0 if normalised else 0.0, abs=0.05)


@pytest.mark.parametrize("normalised", [False, True])
def test_scale_and_shift_of_intensities_do_not_matter(normalised: bool) -> None:
    fixed, warped = textured(1), textured(1) + 0.2 * textured(2)
    expected = mutual_information(fixed, warped, normalised=normalised).item()
    assert mutual_information(3 * fixed - 7, 0.5 * warped + 2, normalised=normalised).item() == pytest.approx(
        expected, abs=1e-3
    )


@pytest.mark.parametrize("normalised", [False, True])
def test_gradients_are_exact(normalised: bool) -> None:
    # The range of an image is a constant, so the voxels that set it stay out of the check.
    ends = torch.tensor([-0.5, 1.5], dtype=torch.float64).expand(1, 1, 4, 2)

    def loss(fixed: torch.Tensor, warped: torch.Tensor) -> torch.Tensor:
        pair = (torch.cat([image, ends], dim=-1) for image in (fixed, warped))
        return mutual_information(*pair, bins=8, normalised=normalised)

    images = [torch.rand(1, 1, 4, 5, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(loss, images)


@pytest.mark.parametrize("normalised", [False, True])
def test_flat_images_are_independent_with_finite_gradients(normalised: bool) -> None:
    warped = torch.full((1, 1, 24, 24, 24), 0.3, requires_grad=True)
    for fixed in (textured(1), torch.zeros_like(warped)):
        loss = mutual_information(fixed, warped, normalised=normalised)
        (gradient,) = torch.autograd.grad(loss, warped)
        assert loss.item() == pytest.approx(-1.0 if normalised else 0.0, abs=1e-3)
        assert torch.isfinite(gradient).all()


def test_too_few_bins_are_refused() -> None:
    with pytest.raises(ValueError, match=r"mutual_information\(\): 'bins' must be 4 or more, got 3"):
        mutual_information(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8), bins=3)
