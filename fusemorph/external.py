"""Methods that other packages implement, run in a separate process through NIfTI files, with a time limit.

A package that cannot be installed beside ours is looked for in other environments: ``FUSEMORPH_INTERPRETERS`` names the
Python interpreters that are tried after this one, separated as in PATH.
"""

import inspect
import json
import os
import signal
import subprocess
import sys
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import nibabel as nib
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.affine import LEAST_OVERLAP, affine_displacement, register_affine
from fusemorph.data.dataset import Dataset, Pair
from fusemorph.data.world import LPS
from fusemorph.grid import identity_grid
from fusemorph.method import Method, PairFailed, image_tensor
from fusemorph.warp import warp

INTERPRETERS = "FUSEMORPH_INTERPRETERS"
THREADS = (
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)
"""What packages read their number of threads from."""

# A large process's child takes its peak memory along (``ru_maxrss``), a small one's does not. Hence this one between.
_LAUNCHER = """
import os, resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
if status < 0:
    os.kill(os.getpid(), -status)
sys.exit(status)
"""
_peaks_mib: list[float] = []


def peak_of_programs_mib() -> float:
    """Peak memory of any program that the methods of this process have called; 0 without any."""
    return max(_peaks_mib, default=0.0)


@dataclass(frozen=True)
class Package:
    """A distribution at the version that the tests passed with; other versions may work too.

    ``apart`` says why it needs an environment of its own; empty where it can be installed beside ours.
    """

    name: str
    version: str
    apart: str = ""

    def interpreter(self) -> str | None:
        """The first Python interpreter that has the package: this one, then those of ``FUSEMORPH_INTERPRETERS``."""
        named = [os.path.expanduser(entry) for entry in os.environ.get(INTERPRETERS, "").split(os.pathsep) if entry]
        # Where the program runs, a path from here leads nowhere; a bare name is looked for in PATH.
        named = [os.path.abspath(entry) if os.sep in entry else entry for entry in named]
        return next((python for python in (sys.executable, *named) if _version(self.name, python)), None)

    def found(self) -> dict[str, str]:
        """The version that is installed, under the package's name; empty where none is."""
        python = self.interpreter()
        return {self.name: _version(self.name, python) or ""} if python else {}

    def missing(self) -> str | None:
        """A message with the line that installs the package; None if an interpreter has it."""
        if self.interpreter():
            return None
        install = f"pip install {self.name}=={self.version}"
        if self.apart:
            folder = f"~/.venvs/{self.name}"
            install = f"python -m venv {folder} && {folder}/bin/{install} && export {INTERPRETERS}={folder}/bin/python"
        return f"{self.name} is not installed{f' ({self.apart})' if self.apart else ''}; {install}"


@cache
def _version(package: str, python: str) -> str | None:
    question = f"import importlib.metadata as m; print(m.version({package!r}))"
    with suppress(OSError):
        answer = subprocess.run([python, "-c", question], capture_output=True, text=True)
        return answer.stdout.strip() if answer.returncode == 0 else None
    return None


@dataclass(frozen=True, kw_only=True)
class ExternalMethod(Method):
    """A method that another package implements, called with its settings as keywords and the number of threads.

    ``affine`` asks for an affine step first: the package's own, or ours for one without (``affine_is_ours``).
    ``limit_s`` is the time that a pair may take.
    """

    package: ClassVar[Package | None] = None
    dims: ClassVar[tuple[int, ...]] = (2, 3)
    affine_is_ours: ClassVar[bool] = False

    affine: bool = True
    limit_s: float = 3600.0

    @abstractmethod
    def worker(self) -> Callable[..., None]:
        """The function that runs in the other process, in a folder with ``fixed.nii`` and ``moving.nii``.

        It writes ``displacement.nii`` as ITK does: on the fixed image's grid, in LPS millimetres. The function is sent
        as source, so it knows nothing of its module and imports what it needs.
        """

    def missing(self) -> str | None:
        return self.package.missing() if self.package else None

    def versions(self) -> dict[str, str]:
        """The version of the package that does the work."""
        return self.package.found() if self.package else {}

    def skip(self, dataset: Dataset) -> str | None:
        return self._unfit(len(dataset.shape)) or self.missing()

    def register(self, pair: Pair, *, network: nn.Module | None, device: torch.device) -> Float[Tensor, "1 d *s"]:
        if reason := self._unfit(pair.fixed.image.ndim) or self.missing():
            raise PairFailed(reason)
        if self.affine and self.affine_is_ours:
            return _after_affine(pair, self._displacement, device=device)
        return self._displacement(pair, device)

    def _unfit(self, dims: int) -> str | None:
        wanted = " or ".join(f"{count}-D" for count in self.dims)
        return None if dims in self.dims else f"it registers {wanted} images, these are {dims}-D"

    def _displacement(self, pair: Pair, device: torch.device) -> Float[Tensor, "1 d *s"]:
        ours = {"limit_s", "affine"} if self.affine_is_ours else {"limit_s"}
        settings = {k: v for k, v in asdict(self).items() if k not in ours} | {"threads": torch.get_num_threads()}
        python = (self.package.interpreter() if self.package else None) or sys.executable
        with TemporaryDirectory(prefix=f"fusemorph-{self.name}-") as name:
            folder = Path(name)
            _write_images(folder, pair)
            script = _script(self.worker(), settings)
            (folder / "worker.py").write_text(script, encoding="utf-8")
            # The trial's device, not one that the package finds by itself.
            hidden = {"CUDA_VISIBLE_DEVICES": ""} if device.type == "cpu" else {}
            threads = dict.fromkeys(THREADS, str(torch.get_num_threads()))
            run_limited((python, "worker.py"), folder=folder, limit_s=self.limit_s, environment=threads | hidden)
            return _read_displacement(folder / "displacement.nii", pair).to(device)


def run_limited(
    command: Sequence[str], *, folder: Path, limit_s: float, environment: Mapping[str, str] | None = None
) -> None:
    """Run a command in a folder, with ``environment`` added to ours; nothing that it started is left running.

    Raises:
        PairFailed: it took longer than ``limit_s``, was killed, or failed; with the end of what it printed.
    """
    log, peak = folder / "log.txt", folder / "peak_kib.txt"
    launcher = (sys.executable, "-I", "-S", "-c", _LAUNCHER, str(peak))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*launcher, *command], cwd=folder, env=os.environ | dict(environment or {}), stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            status = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise PairFailed(f"took longer than {limit_s:g} s") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if peak.exists():
        _peaks_mib.append(int(peak.read_text(encoding="ascii")) / 1024)
    if status:
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        printed = log.read_text(encoding="utf-8", errors="replace").strip()
        raise PairFailed(f"{how}: {printed[-800:] or 'it printed nothing'}")


def _script(worker: Callable[..., None], settings: Mapping[str, Any]) -> str:
    arguments = f"json.loads({json.dumps(settings)!r})"
    return f"import json\n\n{inspect.getsource(worker)}\n\n{worker.__name__}(**{arguments})\n"


def _write_images(folder: Path, pair: Pair) -> None:
    """Both images along plain axes: orientation cannot matter between two scans on one grid, spacing does."""
    affine = np.diag([*pair.fixed.spacing_mm, *[1.0] * (4 - pair.fixed.image.ndim)])
    for name, scan in (("fixed", pair.fixed), ("moving", pair.moving)):
        if scan.image.min() == scan.image.max():
            raise PairFailed(f"the {name} image {scan.id} is {float(scan.image.max()):g} everywhere")
        image = nib.Nifti1Image(np.asarray(scan.image, np.float32), affine)
        image.header.set_xyzt_units("mm")
        image.to_filename(folder / f"{name}.nii")


def _read_displacement(path: Path, pair: Pair) -> Float[Tensor, "1 d *s"]:
    """A field in LPS millimetres on the axes of ``_write_images``, in voxels."""
    shape, spacing_mm = pair.fixed.image.shape, np.array(pair.fixed.spacing_mm)
    if not path.exists():
        raise PairFailed("it wrote no displacement")
    try:
        field = np.asarray(nib.Nifti1Image.from_filename(path).dataobj, np.float64)
    except Exception as error:  # nibabel's errors have no base of their own, and whatever it is, the pair has failed
        raise PairFailed(f"its displacement cannot be read: {error}") from error
    if field.size != len(shape) * pair.fixed.image.size:
        raise PairFailed(f"its displacement is of shape {field.shape}, and the fixed image of {shape}")
    field = field.reshape(*shape, len(shape))
    voxels = torch.from_numpy(np.moveaxis(field * LPS[: len(shape)] / spacing_mm, -1, 0))
    _check_displacement(voxels, pair)
    return voxels[None].float()


def _check_displacement(displacement: Float[Tensor, "d *s"], pair: Pair) -> None:
    if not displacement.isfinite().all():
        raise PairFailed("its displacement is not finite")
    shape = displacement.shape[1:]
    targets = displacement + identity_grid(shape, dtype=displacement.dtype)
    ends = torch.tensor(shape, dtype=targets.dtype).view(-1, *[1] * len(shape)) - 1
    inside = float(((targets >= 0) & (targets <= ends)).all(dim=0).double().mean())
    if inside < LEAST_OVERLAP:
        raise PairFailed(
            f"it maps {1 - inside:.0%} of the fixed image {pair.fixed.id} outside the moving image {pair.moving.id}"
        )


def _after_affine(
    pair: Pair, register: Callable[[Pair, torch.device], Tensor], *, device: torch.device
) -> Float[Tensor, "1 d *s"]:
    """Our affine step, then a method on what it leaves: ``x + u(x)`` of the method, mapped by ``A|b``."""
    fixed, moving = (image_tensor(scan.image, device) for scan in (pair.fixed, pair.moving))
    try:
        matrix = register_affine(fixed, moving, spacing_mm=pair.fixed.spacing_mm)
    except ValueError as error:
        raise PairFailed(str(error)) from error
    shape = fixed.shape[2:]
    before = affine_displacement(matrix, shape)
    image = warp(moving, before)[0, 0].cpu().numpy()
    rest = register(replace(pair, moving=replace(pair.moving, image=image)), device)
    linear = matrix[:, :-1].to(rest)
    return before.to(rest) + torch.einsum("ij,bj...->bi...", linear, rest)
