"""The MNI152 template as the reference to which ``align=mni`` maps every scan."""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from fusemorph.data.errors import DataError
from fusemorph.data.preprocess import Volume, centred_start, resample

MNI152 = "a42242e3dc051f80"
"""The first digits of the sha256 of its intensities, rounded to bytes."""


@cache
def template_at(spacing_mm: tuple[float, ...]) -> Volume:
    """The template at another spacing, its intensities from 0 to 1."""
    template = mni_template()
    return template if spacing_mm == template.spacing_mm else resample(template, spacing_mm)


@cache
def mni_template() -> Volume:
    """The symmetric T1 template without its skull, at 1 mm (Fonov et al. 2011), as nilearn carries it.

    Raises:
        DataError: nilearn carries another one than that which keys and fingerprints speak of.
    """
    # Imported here: nilearn takes seconds.
    from nilearn.datasets import load_mni152_template

    image = load_mni152_template(resolution=1)
    array = image.get_fdata(dtype=np.float32)
    found = hashlib.sha256(np.rint(array * 255).astype(np.uint8).tobytes()).hexdigest()[: len(MNI152)]
    if found != MNI152:
        raise DataError(f"the MNI152 template of the installed nilearn must be {MNI152}, is {found}")
    affine = np.asarray(image.affine, dtype=np.float64)
    return Volume(path=Path("MNI152"), array=array, affine=affine, spacing_mm=(1.0, 1.0, 1.0))


def centred_on_brain(template: Volume, shape: Sequence[int]) -> tuple[int, ...]:
    """At which voxel of the template a window of ``shape`` begins that has its brain in the middle."""
    seen = np.argwhere(template.array > template.array.min())
    low, sides = seen.min(axis=0), np.ptp(seen, axis=0) + 1
    return tuple((low + centred_start(sides.tolist(), shape)).tolist())
