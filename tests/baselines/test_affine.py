import numpy as np
import pytest
import torch

from baselines.affine import Affine
from fusemorph.data.dataset import Pair, Scan
from fusemorph.method import load_method
from tests.textured_pair import endpoint_error, matrix, pair


def test_spacing_is_respected_and_the_map_found() -> None:
    shape, spacing_mm = (28, 32, 24), (1.0, 1.0, 1.7)
    truth = matrix(shape, shift=2.0, degrees=6.0, spacing_mm=1.7)
    fixed, moving, mask = pair(shape, truth, spacing_mm=1.7)
    scans = [
        Scan(id=name, subject=name, image=image[0, 0].numpy(), labels=None, spacing_mm=spacing_mm, affine=np.eye(4))
        for name, image in (("fixed", fixed), ("moving", moving))
    ]
    method = Affine(model="rigid")
    displacement = method.register(
        Pair(split="val", fixed=scans[0], moving=scans[1], block="1"), network=None, device=torch.device("cpu")
    )
    assert endpoint_error(displacement, truth, mask) < 0.1


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(ValueError, match="'model' must be one of translation, rigid, affine, got 'shear'"):
        load_method({"name": "affine", "model": "shear"})
