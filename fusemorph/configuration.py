"""What a trial is: method x dataset x budget x seed, and the key that its configuration hashes to. No torch."""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

NUMERICS = 1
"""Version of everything that decides a trial's numbers; raised when a change alters them, so that keys change too."""

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long and how a network is trained.

    ``width``: AutoFuse's c of the reference network. ``learning_rate`` rises linearly over ``warmup_steps``, then is
    constant or falls to zero along half a cosine. ``clip_norm``: largest norm of the gradient, None for any.
    ``validations``: how often, at equal distances, val pairs are registered (``validation_pairs`` of them, spread over
    the split); the last one is after the last step.
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

    def __post_init__(self) -> None:
        for field in ("steps", "width", "learning_rate", "batch_size", "validations", "validation_pairs"):
            if not getattr(self, field) > 0:
                raise ValueError(f"Budget(): '{field}' must be positive, got {getattr(self, field)}")
        if self.warmup_steps < 0:
            raise ValueError(f"Budget(): 'warmup_steps' must be 0 or more, got {self.warmup_steps}")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"Budget(): 'clip_norm' must be positive or None, got {self.clip_norm}")
        if self.schedule not in ("constant", "cosine") or self.precision not in ("bfloat16", "float32"):
            raise ValueError(
                "Budget(): 'schedule' must be constant or cosine and 'precision' bfloat16 or float32, "
                f"got {self.schedule!r} and {self.precision!r}"
            )

    def validation_steps(self) -> tuple[int, ...]:
        """Counts of finished steps after which the network is validated, the last of them ``steps``."""
        count = min(self.validations, self.steps)
        return tuple(round(self.steps * (i + 1) / count) for i in range(count))


BUDGETS = {
    "smoke": Budget(steps=4, width=2, learning_rate=1e-3, validations=2, validation_pairs=2),
    "search": Budget(steps=200, width=8, learning_rate=5e-4, warmup_steps=10),
    "brief": Budget(steps=300, width=8, learning_rate=5e-4, warmup_steps=10),
    "quick": Budget(steps=600, width=8, learning_rate=5e-4, warmup_steps=20),
    "standard": Budget(steps=5000, width=8, learning_rate=5e-4, warmup_steps=50, validations=10),
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


def find_budget(name: str) -> Budget:
    """The budget of that name; ``search-80`` is ``search`` with 80 steps.

    Raises:
        ValueError: no such budget; the message lists the known ones.
    """
    known, _, steps = name.partition("-")
    if known not in BUDGETS or (name != known and not steps.isdecimal()):
        listed = ", ".join(BUDGETS)
        raise ValueError(f"find_budget(): unknown budget {name!r}; known: {listed}, and each with steps: search-80")
    return replace(BUDGETS[known], steps=int(steps)) if steps else BUDGETS[known]


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


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces; NaN and infinity are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
