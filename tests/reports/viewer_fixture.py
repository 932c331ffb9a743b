"""Slices for the viewer as an evaluation keeps them: simulated heads, and the smooth fields that warp them."""

import numpy as np
from scipy import ndimage

from tests.reports.pictures_fixture import slices


def view(
    shape: tuple[int, int], rng: np.random.Generator, *, count: int = 6, gates: tuple[int, ...] = ()
) -> dict[str, np.ndarray]:
    """What ``viewer.npz`` holds: the median pair, and of all three a small view along the first axis."""
    step = 3
    planes = [slices(shape, rng, still=False) for _ in range(count)]
    names = ("fixed", "moving", "warped", "fixed_labels", "warped_labels", "determinant")
    arrays = {name: np.stack([plane[f"median_{name}"] for plane in planes]) for name in names}
    arrays["displacement"] = np.stack([plane["median_displacement"][:, ::step, ::step] for plane in planes])
    arrays |= {
        "axis": np.array(2),
        "slices": np.arange(count) * 2 + 5,
        "stride": np.array(1),
        "grid_step": np.array(step),
    }
    if gates:
        shown = np.arange(1, min(4, count))
        noise = rng.normal(0, 1, (len(gates), len(shown), *shape))
        for stage, of_stage in zip(gates, noise, strict=True):
            smooth = ndimage.gaussian_filter(of_stage, (0, 4, 4))
            arrays[f"gate{stage}"] = (0.5 + 0.2 * smooth / np.abs(smooth).max()).astype(np.float16)
        arrays["gate_slices"] = shown
    for rank in ("best", "median", "worst"):
        for name in (*names, "displacement"):
            arrays[f"{rank}_0_{name}"] = arrays[name][:3][::-1] if rank == "best" else arrays[name][:3]
        arrays |= {f"{rank}_0_axis": np.array(0), f"{rank}_0_slices": np.arange(3) + 4}
        arrays |= {f"{rank}_0_stride": np.array(1), f"{rank}_0_grid_step": np.array(step)}
    return arrays | {"directions": np.array(["L", "A", "S"])}
