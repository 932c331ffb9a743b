"""What an estimator says of methods that have not been trained, as a run folder keeps it: a file for each score.

``RUNS/estimates/NAME-KEY/`` is one estimator on one data set: ``estimator.json`` says which, and ``METHOD.json`` holds
the score of a method and the seconds that it took. A file is written whole or not at all and never changed, so that
whoever was stopped, or works on the same folder, goes on where the files end. No torch.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fusemorph.configuration import NUMERICS, Json, canonical_json
from fusemorph.records import FORMAT
from fusemorph.storage import DamagedFile, RecordError, read_json, write_json

FOLDER = "estimates"
ESTIMATOR = "estimator.json"
NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


@dataclass(frozen=True, kw_only=True)
class Score:
    """An estimate of a method's worth, larger for better, and what it cost. ``plan``: of a method that has one."""

    plan: str
    value: float
    seconds: float


@dataclass(frozen=True)
class Estimates:
    """The scores of one estimator: its ``name``, and the ``settings`` that determine its scores, the data set's too."""

    runs: Path
    name: str
    settings: Json

    @cached_property
    def configuration(self) -> Json:
        """What the key hashes."""
        return {"numerics": NUMERICS, "estimator": self.name, **self.settings}

    @cached_property
    def path(self) -> Path:
        """``RUNS/estimates/NAME-KEY``."""
        return self.runs / FOLDER / f"{self.name}-{_key(self.configuration)}"

    def score(self, method: Mapping[str, object]) -> Score | None:
        """The score of a method's configuration; None where it has not been estimated.

        Raises:
            RecordError: the file is damaged, or of another method or version; the message names it.
        """
        path = self._file(method)
        if not path.exists():
            return None
        record = read_json(path)
        if record.get("format") != FORMAT or record.get("method") != method:
            raise RecordError(f"{path} is of another method or version; move it away to estimate again")
        return _read(path, record)

    def take(self, method: Mapping[str, object], measure: Callable[[], float]) -> Score:
        """The score of a method, measured and written where it is not there yet.

        Raises:
            RecordError: the file is damaged; the message names it.
            StorageError: it could not be written.
        """
        if (recorded := self.score(method)) is not None:
            return recorded
        began = time.perf_counter()
        value = float(measure())
        taken = Score(plan=str(method.get("plan", "")), value=value, seconds=time.perf_counter() - began)
        if not (self.path / ESTIMATOR).exists():
            write_json(self.path / ESTIMATOR, {"format": FORMAT, "configuration": self.configuration})
        written = value if math.isfinite(value) else str(value)
        record = {"format": FORMAT, "method": dict(method), "plan": taken.plan, "score": written}
        write_json(self._file(method), record | {"seconds": taken.seconds})
        return taken

    def missing(self, methods: Iterable[Mapping[str, object]]) -> int:
        """How many of the methods have not been estimated."""
        return sum(not self._file(method).exists() for method in methods)

    def _file(self, method: Mapping[str, object]) -> Path:
        return self.path / f"{_key(method)}.json"


def all_estimates(runs: Path) -> Iterator[tuple[Json, dict[str, Score]]]:
    """What every estimator of a run folder says: its configuration, and its scores by plan.

    Raises:
        RecordError: a file is damaged; the message names it.
    """
    for about in sorted((runs / FOLDER).glob(f"*/{ESTIMATOR}")):
        files = sorted(path for path in about.parent.glob("*.json") if path != about)
        scores = [_read(path, read_json(path)) for path in files]
        yield read_json(about)["configuration"], {score.plan: score for score in scores if score.plan}


def ranking_value(value: float) -> float:
    """A score as it counts in a ranking: what is not a finite number is last."""
    return value if math.isfinite(value) else -math.inf


def _key(configuration: Mapping[str, object]) -> str:
    return hashlib.sha256(canonical_json(configuration).encode()).hexdigest()[:16]


def _read(path: Path, record: Json) -> Score:
    score, seconds = record.get("score"), record.get("seconds")
    value = NOT_FINITE.get(score) if isinstance(score, str) else score
    if type(value) not in (int, float) or type(seconds) not in (int, float):
        raise DamagedFile(f"{path}: 'score' and 'seconds' must be numbers, got {score!r} and {seconds!r}")
    return Score(plan=str(record.get("plan", "")), value=float(value), seconds=float(seconds))  # type: ignore[arg-type]
