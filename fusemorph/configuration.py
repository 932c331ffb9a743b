"""What a trial is: method x dataset x budget x seed, and the key that its configuration hashes to. No torch."""

import hashlib
import json
import re
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Literal, get_args

NUMERICS = 1
"""Version of everything that decides a trial's numbers; raised when a change alters them, so that keys change too."""

Json = dict[str, Any]

LATER = {"later": True}
"""Metadata of a setting that was added after records without it were published. ``written_settings`` leaves it out at
its default, so that the keys of those records stay; the default must be what was done before."""


Augmentation = Literal["none", "flip", "affine"]
Compiler = Literal["none", "inductor", "aot_eager", "eager"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long and how a network is trained.

    ``width``: AutoFuse's c of the reference network. ``learning_rate`` rises linearly over ``warmup_steps``, then is
    constant or falls to zero along half a cosine. ``clip_norm``: largest norm of the gradient, None for any.
    ``validations``: how often, at equal distances, val pairs are registered (``validation_pairs`` of them, spread over
    the split); the last one is after the last step. ``symmetric``: each step trains on both directions of its pairs, as
    one batch of twice the size. ``augmentation``: how training pairs are varied, see ``fusemorph.augmentation``.
    ``compiler``: what ``torch.compile`` makes one graph of forward pass and loss with, for numbers that differ by
    rounding.
    """

    steps: int
    width: int
    learning_rate: float
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup_steps: int = 0
    batch_size: int = 1
    clip_norm: float | None = 1.0
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    validations: int = 4
    validation_pairs: int = 10
    symmetric: bool = field(default=False, metadata=LATER)
    augmentation: Augmentation = field(default="none", metadata=LATER)
    compiler: Compiler = field(default="none", metadata=LATER)

    def __post_init__(self) -> None:
        for name in ("steps", "width", "learning_rate", "batch_size", "validations", "validation_pairs"):
            if not getattr(self, name) > 0:
                raise ValueError(f"Budget(): '{name}' must be positive, got {getattr(self, name)}")
        if self.warmup_steps < 0:
            raise ValueError(f"Budget(): 'warmup_steps' must be 0 or more, got {self.warmup_steps}")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"Budget(): 'clip_norm' must be positive or None, got {self.clip_norm}")
        if self.schedule not in ("constant", "cosine") or self.precision not in ("bfloat16", "float32"):
            raise ValueError(
                "Budget(): 'schedule' must be constant or cosine and 'precision' bfloat16 or float32, "
                f"got {self.schedule!r} and {self.precision!r}"
            )
        for name, choices in (("augmentation", Augmentation), ("compiler", Compiler)):
            if getattr(self, name) not in get_args(choices):
                listed = ", ".join(get_args(choices))
                raise ValueError(f"Budget(): '{name}' must be one of {listed}, got {getattr(self, name)!r}")

    def validation_steps(self) -> tuple[int, ...]:
        """Counts of finished steps after which the network is validated, the last of them ``steps``."""
        count = min(self.validations, self.steps)
        return tuple(round(self.steps * (i + 1) / count) for i in range(count))


BUDGETS = {
    "smoke": Budget(steps=4, width=2, learning_rate=1e-3, validations=2, validation_pairs=2),
    "search": Budget(steps=150, width=4, learning_rate=1e-3, warmup_steps=10, symmetric=True),
    "table": Budget(steps=100, width=4, learning_rate=1e-3, warmup_steps=10, validation_pairs=20, symmetric=True),
    "quick": Budget(steps=450, width=4, learning_rate=1e-3, warmup_steps=20, symmetric=True),
    "standard": Budget(steps=1000, width=8, learning_rate=1e-3, warmup_steps=50, validations=10, symmetric=True),
    "paper": Budget(
        steps=100_000,
        width=16,
        learning_rate=1e-4,
        schedule="constant",
        clip_norm=None,
        precision="float32",
        validations=100,
    ),
}
"""The named budgets. A trial's key hashes what a budget says, not what it is called."""


DIGITS_OF_STEPS = 7


def find_budget(name: str) -> Budget:
    """The budget of that name; ``search-80`` is ``search`` with 80 steps.

    Raises:
        ValueError: no such budget; the message lists the known ones.
    """
    base, _, steps = name.partition("-")
    if base not in BUDGETS or (name != base and not re.fullmatch(f"[0-9]{{1,{DIGITS_OF_STEPS}}}", steps)):
        listed, shown = ", ".join(BUDGETS), name if len(name) <= 60 else f"{name[:57]}..."
        near = get_close_matches(base, [budget for budget in BUDGETS if budget != base], n=1)
        raise ValueError(
            f"find_budget(): unknown budget {shown!r}; known: {listed}, and each with steps (search-80, at most "
            f"{DIGITS_OF_STEPS} digits)" + (f"; did you mean {near[0]}?" if near else "")
        )
    return replace(BUDGETS[base], steps=int(steps)) if steps else BUDGETS[base]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run of the suite, as the configuration that determines its numbers.

    ``method``: its name and settings. ``dataset``: its name, settings and the fingerprint of the files behind training
    and selection. ``budget``: None for a method that is not trained.
    """

    method: Json
    dataset: Json
    budget: Json | None
    seed: int

    def configuration(self) -> Json:
        """What the key hashes: no path, no thread count, no device."""
        parts = {"method": self.method, "dataset": self.dataset, "budget": self.budget, "seed": self.seed}
        return {"numerics": NUMERICS, **parts}

    @cached_property
    def text(self) -> str:
        """Canonical JSON of the configuration."""
        return canonical_json(self.configuration())

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits of the sha256 of ``text``."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


def written_settings(settings: Any, base: Any = None) -> Json:
    """The fields of a dataclass as JSON, nested ones too; ``LATER`` ones only where they say something new.

    ``base``: the settings that a reader starts from, by default those of the class. A ``LATER`` setting is left out
    only where it is at its default there too, since a reader would otherwise take the value of ``base`` for it.
    """
    written: Json = {}
    for entry in fields(settings):
        value, start = getattr(settings, entry.name), getattr(base, entry.name, _default(entry))
        if entry.metadata.get("later") and value == _default(entry) == start:
            continue
        nested = is_dataclass(value) and not isinstance(value, type)
        written[entry.name] = (
            written_settings(value, start if type(start) is type(value) else None) if nested else value
        )
    return json.loads(canonical_json(written))  # type: ignore[no-any-return]


def _default(entry: Field[Any]) -> Any:
    return entry.default if entry.default_factory is MISSING else entry.default_factory()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces; NaN and infinity are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
