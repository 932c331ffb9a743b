"""The options of ``fusemorph register``, read from the command line into typed ones."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from fusemorph.catalogue import add_option
from fusemorph.data.header import Form
from fusemorph.paths import path_argument
from fusemorph.segmented import SEGMENTATIONS

Start = Literal["world", "centres", "masses", "affine"]


@dataclass(frozen=True, kw_only=True)
class RegisterOptions:
    """What is registered, by which trial, and where the result goes; None where the trial or the header decides."""

    fixed: Path
    moving: Path
    method: Path
    out: Path
    start: Start | None
    header: Form | None
    fixed_labels: Path | None
    moving_labels: Path | None
    entries: Sequence[Path]

    @property
    def inputs(self) -> list[Path]:
        """The files that are read."""
        paths = (self.fixed, self.moving, self.fixed_labels, self.moving_labels)
        return [path for path in paths if path is not None]

    def checked(self) -> "RegisterOptions":
        """The same with the full path of the folder of the result, which is written over no input.

        Raises:
            ValueError: naming the file.
        """
        out = Path(os.path.realpath(self.out))  # Path.resolve() fails on a loop of links
        if out.exists() and not out.is_dir():
            raise ValueError(f"{out}: 'out' must be a folder, is a file")
        for path in self.inputs:
            for written in (out / name for name in ("warped.nii.gz", "displacement.nii.gz", *SEGMENTATIONS)):
                if path.exists() and written.exists() and path.samefile(written):
                    raise ValueError(f"{path}: would be overwritten by the result; choose another folder by --out")
        return replace(self, out=out)


def parse(argv: Sequence[str] | None = None) -> RegisterOptions:
    """The options of a command line.

    Raises:
        SystemExit: with status 2 for a wrong call, with 0 for ``--help``.
    """
    made = parser()
    given = made.parse_args(argv)
    if (given.fixed_labels is None) != (given.moving_labels is None):
        made.error("--fixed-labels and --moving-labels go together")
    return RegisterOptions(**vars(given))


def parser() -> argparse.ArgumentParser:
    """The options of ``fusemorph register`` as argparse has them."""
    made = argparse.ArgumentParser("fusemorph register", description="Apply a trained trial to two NIfTI images.")
    made.add_argument(
        "fixed", type=path_argument, metavar="FIXED.nii.gz", help="the image in whose space the result lies"
    )
    made.add_argument("moving", type=path_argument, metavar="MOVING.nii.gz", help="the image that is warped")
    made.add_argument(
        "--method", type=path_argument, required=True, metavar="RUNS/KEY", help="folder of a trained trial"
    )
    made.add_argument("--out", type=path_argument, required=True, metavar="DIR", help="folder of the results")
    start = (
        "how the images are placed at the start: as they lie in space, with the centres of their grids or of their "
        "foregrounds on each other, or aligned affinely; default: as the trial's data were"
    )
    made.add_argument("--start", choices=get_args(Start), help=start)
    header = "the form of the header that is right, for images that ITK and nibabel place differently"
    made.add_argument("--header", choices=get_args(Form), help=header)
    made.add_argument(
        "--fixed-labels",
        type=path_argument,
        metavar="NIFTI",
        help="label map of the fixed image; with --moving-labels, metrics are printed",
    )
    made.add_argument("--moving-labels", type=path_argument, metavar="NIFTI", help="label map of the moving image")
    add_option(made)
    return made
