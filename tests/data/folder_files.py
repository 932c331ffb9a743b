"""Folders of small images that tests of the folder dataset write."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fusemorph.data import Dataset
from fusemorph.data.phantom import write_phantom

Open = Callable[..., Dataset]


def fill(folder: Path, count: int, *, labelled: bool = True, **phantom: Any) -> list[str]:
    rng = np.random.default_rng(0)
    names = [f"s{n:02d}" for n in range(count)]
    for name in names:
        labels = folder / "labels" / f"{name}.nii.gz" if labelled else None
        write_phantom(folder / "images" / f"{name}.nii.gz", labels, rng=rng, **phantom)
    return names


def table(path: Path, *rows: str) -> None:
    path.write_text("\n".join(rows) + "\n")
