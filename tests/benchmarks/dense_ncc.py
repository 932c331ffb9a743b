"""Local NCC as it is usually written: what ours is measured against."""

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 9


def dense_ncc(fixed: Tensor, warped: Tensor) -> Tensor:
    """Five box sums, each by a full convolution, and autograd through all of them."""
    kernel = torch.ones(1, 1, WINDOW, WINDOW, WINDOW, device=fixed.device)
    images = torch.cat((fixed, warped, fixed.square(), warped.square(), fixed * warped, torch.ones_like(fixed)))
    of_fixed, of_warped, squares_f, squares_w, products, voxels = F.conv3d(images, kernel, padding=WINDOW // 2)
    cross = products - of_fixed * of_warped / voxels
    variances = (squares_f - of_fixed.square() / voxels) * (squares_w - of_warped.square() / voxels)
    return 1 - (cross.square() / (variances + 1e-5)).mean()
