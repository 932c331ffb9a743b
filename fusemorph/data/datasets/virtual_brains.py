"""The embedded default: a synthetic population of brains, deformed from one template, with the truth known."""

import hashlib
import math
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from scipy.interpolate import BSpline

from fusemorph.data.cache import cached_arrays
from fusemorph.data.dataset import Dataset, Pair, PairIndex
from fusemorph.data.preprocess import VERSION, normalised
from fusemorph.data.settings import canonical, check_seed, read_settings
from fusemorph.integrate import exponential
from fusemorph.warp import compose, warp

FIELD_OF_VIEW_MM = (192.0, 224.0, 192.0)
BRAIN_CENTRE_MM = (0.0, -17.0, 5.0)
FIRST_SUBJECT = {"train": 1, "val": 1001, "test": 2001}
MOST_SUBJECTS = 1000
HEAD = 0.05
PERCENTILES = (1.0, 99.0)
LABELS = {
    1: "left grey matter",
    2: "right grey matter",
    3: "left white matter",
    4: "right white matter",
    5: "cerebrospinal fluid",
}


@dataclass(frozen=True, kw_only=True)
class VirtualBrainsSettings:
    """``train``, ``val``, ``test`` count subjects; one number sets the spacing of all axes (4.0, or 1.0 at the finest).

    A subject's velocity is a cubic B-spline with random control vectors every ``control_mm``, root mean square
    ``velocity_mm``. ``bias`` and ``contrast`` are standard deviations of log intensity and log gamma, ``noise`` one of
    intensity (white matter is about 0.9).
    """

    spacing_mm: float = 4.0
    seed: int = 0
    train: int = 24
    val: int = 6
    test: int = 12
    velocity_mm: float = 3.5
    control_mm: float = 40.0
    bias: float = 0.1
    contrast: float = 0.2
    noise: float = 0.02

    def __post_init__(self) -> None:
        if not 1 <= self.spacing_mm <= 8:
            raise ValueError(f"virtual_brains: 'spacing_mm' must lie between 1 and 8, got {self.spacing_mm}")
        counts = (self.train, self.val, self.test)
        if self.train < 2 or min(counts) < 0 or max(counts) > MOST_SUBJECTS:
            raise ValueError(
                f"virtual_brains: 'train' must be 2 or more, 'val' and 'test' 0 or more, none above {MOST_SUBJECTS}, "
                f"got {self.train}, {self.val}, {self.test}"
            )
        amplitudes = (self.velocity_mm, self.bias, self.contrast, self.noise)
        if min(amplitudes) < 0 or max(amplitudes) > 100 or self.control_mm < 16:
            raise ValueError(
                f"virtual_brains: amplitudes must be 0 or more and 100 at most, 'control_mm' 16 or more, got {self}"
            )
        check_seed("virtual_brains", self.seed)


class VirtualBrains(Dataset):
    """Synthetic subjects: ``image_p(x) = template(phi_p(x))`` with ``phi_p = exp(v_p)``, a random diffeomorphism.

    Then a monotone change of contrast, a bias field and noise. Everything of a subject follows from the seed and the
    subject's number; the same subject at another spacing is the same brain. Labels are the template's tissues by
    hemisphere, deformed alike. From a fixed subject A to a moving subject B the true displacement is
    ``x + u(x) = phi_B^-1(phi_A(x))`` with ``phi_B^-1 = exp(-v_B)``.
    """

    name = "virtual_brains"
    title = "Virtual brains: a SYNTHETIC population deformed from the MNI152 template"
    source = (
        "Synthetic, made by FuseMorph from the ICBM 152 nonlinear symmetric 2009a template and its tissue maps "
        "(Fonov et al. 2011) as nilearn carries them; no real person is shown"
    )
    licence = "template: (c) 1993-2009 Louis Collins, McConnell Brain Imaging Centre, free with this notice kept"
    download = "nothing: it is made where it is used"
    synthetic = True

    def __init__(self, data: Path | None = None, *, cache: Path | None = None, **settings: Any) -> None:
        if data is not None:
            raise ValueError(
                f"open_dataset(): 'data' must be None for virtual_brains, which needs no files, got {data}"
            )
        self._options = read_settings(VirtualBrainsSettings, settings, dataset=self.name)
        spacing = float(self._options.spacing_mm)
        super().__init__(
            members=_members(self._options),
            shape=tuple(round(side / spacing) for side in FIELD_OF_VIEW_MM),
            spacing_mm=(spacing,) * 3,
            labels=LABELS,
            settings=canonical(self._options),
            cache=cache,
        )

    def pair(self, index: PairIndex) -> Pair:
        """The two scans and the true displacement from fixed to moving."""
        to_template = torch.tensor(self._maps(index.fixed)["to_template"])[None]
        from_template = torch.tensor(self._maps(index.moving)["from_template"])[None]
        return replace(super().pair(index), displacement=compose(from_template, to_template)[0].numpy())

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Eight subjects at a coarse spacing; no files."""
        return {"spacing_mm": 8.0, "train": 4, "val": 2, "test": 2}

    def _content(self, scan_id: str) -> Any:
        counts = ("train", "val", "test")
        settings = {name: value for name, value in self.settings.items() if name not in counts}
        return [VERSION, self._template()["digest"].tobytes().hex(), settings, scan_id]

    def _template(self) -> dict[str, np.ndarray]:
        key = {"template": version("nilearn"), "version": VERSION, "spacing_mm": self._options.spacing_mm}
        return cached_arrays(key, lambda: _read_template(self.shape, self._options.spacing_mm), cache=self._cache)

    def _arrays(self, scan_id: str) -> dict[str, np.ndarray]:
        key = {"dataset": self.name, "arrays": "scan", "content": self._content(scan_id)}
        return cached_arrays(key, lambda: self._make(scan_id), cache=self._cache)

    def _maps(self, scan_id: str) -> dict[str, np.ndarray]:
        """``exp(v)`` and ``exp(-v)`` of a subject, kept for evaluation pairs alone."""
        key = {"dataset": self.name, "arrays": "maps", "content": self._content(scan_id)}
        return cached_arrays(key, lambda: self._integrate(scan_id), cache=self._cache)

    def _random(self, scan_id: str) -> np.random.Generator:
        return np.random.default_rng([self._options.seed, int(self.subject(scan_id))])

    def _integrate(self, scan_id: str) -> dict[str, np.ndarray]:
        velocity = _velocity(self._random(scan_id), self.shape, self._options)
        return {"to_template": exponential(velocity)[0].numpy(), "from_template": exponential(-velocity)[0].numpy()}

    def _make(self, scan_id: str) -> dict[str, np.ndarray]:
        template, rng = self._template(), self._random(scan_id)
        # The velocity is drawn first, and noise, whose size depends on the spacing, last.
        to_template = exponential(_velocity(rng, self.shape, self._options))
        deformed = warp(torch.tensor(template["maps"])[None], to_template)[0].numpy()
        labels = deformed[1:].argmax(axis=0).astype(np.int16)
        return {"image": _scanned(deformed[0], rng, self._options), "labels": labels, "affine": template["affine"]}


def _members(options: VirtualBrainsSettings) -> dict[str, dict[str, str]]:
    """Subjects are numbered by split (train 1 on, val 1001 on, test 2001 on), so that counts may grow."""
    counts = {"train": options.train, "val": options.val, "test": options.test}
    numbers = {split: range(first, first + counts[split]) for split, first in FIRST_SUBJECT.items()}
    return {split: {f"brain_{n:04d}": f"{n:04d}" for n in subjects} for split, subjects in numbers.items()}


def _velocity(rng: np.random.Generator, shape: tuple[int, ...], options: VirtualBrainsSettings) -> torch.Tensor:
    """Stationary velocity (1, 3, *s) in voxels."""
    fields = [_smooth_field(rng, shape, options.spacing_mm, control_mm=options.control_mm) for _ in shape]
    return torch.tensor(np.stack(fields) * options.velocity_mm / options.spacing_mm, dtype=torch.float32)[None]


def _smooth_field(
    rng: np.random.Generator, shape: tuple[int, ...], spacing_mm: float, *, control_mm: float
) -> np.ndarray:
    """A sum of cubic B-splines ``control_mm`` apart with normal weights: root mean square about 1 at any spacing."""
    spline = BSpline.basis_element(np.arange(-2.0, 3.0), extrapolate=False)
    bases = []
    for side in shape:
        voxels_mm = (np.arange(side) - (side - 1) / 2) * spacing_mm
        reach = math.ceil(side * spacing_mm / 2 / control_mm) + 1
        bases.append(np.nan_to_num(spline(voxels_mm[:, None] / control_mm - np.arange(-reach, reach + 1))))
    weights = rng.standard_normal([basis.shape[1] for basis in bases])
    mean_square = (151 / 315) ** len(shape)  # of the B-splines' sum: the integral of the squared spline, each axis
    return np.asarray(np.einsum("ia,jb,kc,abc->ijk", *bases, weights, optimize=True) / math.sqrt(mean_square))


def _scanned(template: np.ndarray, rng: np.random.Generator, options: VirtualBrainsSettings) -> np.ndarray:
    """A deformed template as another scanner would see it: contrast, bias field, noise within the head."""
    shape, spacing = template.shape, options.spacing_mm
    intensity = template ** np.exp(options.contrast * rng.standard_normal())
    intensity = intensity * np.exp(options.bias * _smooth_field(rng, shape, spacing, control_mm=64.0))
    intensity += options.noise * rng.standard_normal(shape) * (template > HEAD)
    return normalised(np.maximum(intensity, 0).astype(np.float32), PERCENTILES)


def _read_template(shape: tuple[int, ...], spacing_mm: float) -> dict[str, np.ndarray]:
    """Intensity, six label maps (background, then ``LABELS``) on the population's grid; a digest of what was read."""
    # Imported here: nilearn takes seconds, and a filled cache needs none of it.
    from nilearn.datasets import load_mni152_gm_template, load_mni152_template, load_mni152_wm_template

    images = [load(resolution=1) for load in (load_mni152_template, load_mni152_gm_template, load_mni152_wm_template)]
    t1, grey, white = (image.get_fdata(dtype=np.float32) for image in images)
    affine = np.asarray(images[0].affine, dtype=np.float64)
    left = np.clip(0.5 - affine[0, 3] - np.arange(t1.shape[0]), 0, 1).astype(np.float32)[:, None, None]
    fluid = np.clip((t1 > HEAD) - grey - white, 0, 1)
    tissues = [left * grey, (1 - left) * grey, left * white, (1 - left) * white, fluid]
    maps = [_on_grid(part, affine, shape, spacing_mm) for part in (t1, 1 - sum(tissues), *tissues)]
    digest = hashlib.sha256(b"".join(np.rint(part * 255).astype(np.uint8).tobytes() for part in (t1, grey, white)))
    return {
        "maps": np.stack(maps),
        "affine": _grid_affine(shape, spacing_mm),
        "digest": np.frombuffer(digest.digest(), dtype=np.uint8),
    }


def _grid_affine(shape: tuple[int, ...], spacing_mm: float) -> np.ndarray:
    affine = np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] = np.asarray(BRAIN_CENTRE_MM) - (np.asarray(shape) - 1) / 2 * spacing_mm
    return affine


def _on_grid(part: np.ndarray, affine: np.ndarray, shape: tuple[int, ...], spacing_mm: float) -> np.ndarray:
    """A map at 1 mm brought to the population's grid, smoothed first as wide as voxels grow (else it aliases)."""
    smoothed = ndimage.gaussian_filter(part, math.sqrt(spacing_mm**2 - 1) / 2.355, mode="nearest")
    offset = _grid_affine(shape, spacing_mm)[:3, 3] - affine[:3, 3]
    return np.asarray(
        ndimage.affine_transform(smoothed, np.full(3, spacing_mm), offset, shape, order=1, mode="nearest")
    )
