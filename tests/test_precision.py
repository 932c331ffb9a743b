"""What networks compute in on this processor, and elsewhere."""

import pytest
import torch

from fusemorph.precision import Precision, autocast, computed_in

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("native", "asked", "got"),
    [(True, "bfloat16", "bfloat16"), (False, "bfloat16", "float32"), (True, "float32", "float32")],
)
def test_a_processor_without_bfloat16_computes_in_float32(
    monkeypatch: pytest.MonkeyPatch, native: bool, asked: Precision, got: Precision
) -> None:
    monkeypatch.setattr("fusemorph.precision.has_bfloat16", lambda device: native)
    assert computed_in(asked, CPU) == got
    with autocast(asked, CPU):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == getattr(torch, got)


def test_a_gpu_computes_in_what_is_asked_for() -> None:
    assert computed_in("bfloat16", torch.device("cuda")) == "bfloat16"
