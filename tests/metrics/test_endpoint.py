import numpy as np
import pytest
import torch

from fusemorph.metrics import endpoint_error_mm


def test_is_the_mean_distance_in_mm_over_the_mask() -> None:
    true = torch.randn(3, 12, 13, 14)
    displacement = true.clone()
    displacement[0, :6] += 3  # of 2 mm
    displacement[1, :6] -= 4  # of 0.5 mm
    displacement[2, 9:] += 100
    mask = torch.zeros(12, 13, 14, dtype=torch.bool)
    mask[3:9] = True
    error = endpoint_error_mm(displacement, true, spacing_mm=(2.0, 0.5, 7.0), mask=mask)
    assert error == pytest.approx(np.hypot(6, 2) / 2, rel=1e-5)


def test_with_or_without_the_batch_axis_and_nan_without_voxels() -> None:
    true, mask = np.zeros((1, 2, 8, 9)), np.ones((8, 9), bool)
    assert endpoint_error_mm(torch.ones(2, 8, 9), true, spacing_mm=(3.0, 4.0), mask=mask) == pytest.approx(5.0)
    assert np.isnan(endpoint_error_mm(true, true, spacing_mm=(3.0, 4.0), mask=~mask))


def test_errors_name_argument_and_rule() -> None:
    field, mask = torch.zeros(2, 8, 9), torch.ones(8, 9)
    with pytest.raises(ValueError, match=r"endpoint_error_mm\(\): 'true_displacement' must have the shape"):
        endpoint_error_mm(field, torch.zeros(2, 8, 8), spacing_mm=(1.0, 1.0), mask=mask)
    with pytest.raises(ValueError, match=r"endpoint_error_mm\(\): 'spacing_mm' must have 2 values, got \(1.0,\)"):
        endpoint_error_mm(field, field, spacing_mm=(1.0,), mask=mask)
