"""The submission folder of Learn2Reg: a trial's displacements of the val pairs, on the grids of the stored images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fusemorph.configuration import Trial
from fusemorph.data.dataset import Pair
from fusemorph.data.files import FileDataset
from fusemorph.data.header import Header
from fusemorph.data.nifti import by_rule, read_header
from fusemorph.grid import identity_grid, sample
from fusemorph.records import read_record
from fusemorph.storage import RecordError, read_json
from fusemorph.trials.job import Job
from fusemorph.trials.load import load_trial


def write_submission(
    runs: Path, name: str, out: Path, *, arm: str, seed: int = 0, data: Path | None = None, cache: Path | None = None
) -> int:
    """Register the val pairs with a trained arm of a study, and write ``disp_FIXED_MOVING.nii.gz``; how many.

    Each holds the displacement in voxels of the fixed image as it is stored, (x, y, z, 3): the moving image, as stored,
    is read at ``x + u(x)``.

    Raises:
        RecordError: no such study, arm or finished trial, or a file that is there already.
        ValueError: the data set cannot be opened, or is not of files in 3-D.

    Source: the evaluation of Learn2Reg, github.com/MDL-UzL/L2R.
    """
    folder = runs / _key(read_json(runs / "studies" / f"{name}.json"), arm, seed)
    configuration = read_record(folder)["configuration"]
    trial = Trial(**{part: configuration[part] for part in ("method", "dataset", "budget", "seed")})
    method, network, _ = load_trial(folder)
    dataset = Job(trial=trial, data=data, cache=cache, splits=()).open_dataset()
    if (
        not isinstance(dataset, FileDataset)
        or len(dataset.shape) != 3
        or any(map(dataset.reference, dataset.scan_ids("val")))
    ):
        raise ValueError(f"{dataset.name}: a submission needs 3-D images of files that no affine step has moved")
    for index in dataset.pairs("val"):
        path = out / f"disp_{_case(index.fixed)}_{_case(index.moving)}.nii.gz"
        if path.exists():
            raise RecordError(f"{path} is there already and is never overwritten")
        pair = dataset.pair(index)
        displacement = method.register(pair, network=network, device=torch.device("cpu")).double().cpu()
        fixed, moving = (by_rule(read_header(dataset.files(scan_id)[0])) for scan_id in (index.fixed, index.moving))
        stored = on_stored_grid(displacement, pair, fixed=fixed, moving=moving)
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(stored, fixed.affine), path)
    return len(dataset.pairs("val"))


def on_stored_grid(
    displacement: Float[Tensor, "1 3 *s"], pair: Pair, *, fixed: Header, moving: Header
) -> Float[np.ndarray, "x y z 3"]:
    """A displacement on the common grid as one from voxels of the stored fixed to voxels of the stored moving image."""
    voxels = identity_grid(fixed.shape[:3], dtype=torch.float64)
    places = _between(fixed.affine, pair.fixed.affine, voxels)
    moved = places + sample(displacement, places[None])[0]
    return (_between(pair.moving.affine, moving.affine, moved) - voxels).permute(1, 2, 3, 0).float().numpy()


def _between(first: np.ndarray, second: np.ndarray, voxels: Tensor) -> Tensor:
    """Voxels of one grid in voxels of another, by way of millimetres."""
    matrix = torch.from_numpy(np.linalg.solve(second, first))
    return torch.einsum("ij,j...->i...", matrix[:3, :3], voxels) + matrix[:3, 3].view(3, 1, 1, 1)


def _key(study: Mapping[str, Any], arm: str, seed: int) -> str:
    arms = {entry["label"]: entry["keys"] for entry in study["arms"]}
    if arm not in arms:
        raise RecordError(f"--arm: {study['name']} has no arm {arm!r}; there are: {', '.join(arms)}")
    if str(seed) not in arms[arm]:
        raise RecordError(f"--seed: {arm} has the seeds {', '.join(arms[arm]) or 'none'}, got {seed}")
    return str(arms[arm][str(seed)])


def _case(scan_id: str) -> str:
    """The number of the case: ``0101`` of ``NLST_0101_0000``."""
    parts = scan_id.split("_")
    return parts[-2] if len(parts) > 1 else scan_id
