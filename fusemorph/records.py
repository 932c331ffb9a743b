"""What a trial leaves on disk. No torch.

``RUNS/KEY/`` holds what configuration and seed determine (``record.json``, ``history.csv``, ``gates.csv``,
``weights.safetensors``) apart from what the machine determines (``measured.json``, ``cost.json``), and
``eval/SPLIT/`` once a split. A file of it is written whole or not at all, and nothing finished is overwritten.
"""

import gzip
import io
import math
import reprlib
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fusemorph.configuration import NUMERICS, Json, Trial, canonical_json
from fusemorph.storage import (
    LARGEST_BYTES,
    DamagedFile,
    RecordError,
    StorageError,
    parse_table,
    read_bytes,
    read_json,
    refused,
    remove_unfinished,
    table,
    unfinished,
    write_bytes,
    write_json,
)

FORMAT = 1
ENDED = ("finished", "failed", "pruned")
STATUSES = ("running", *ENDED)
RECORD = "record.json"
WEIGHTS = "weights.safetensors"
CHECKPOINT = "checkpoint.safetensors"
GIVEN_UP = "given_up.json"
STATE = ("format", "key", "status", "reason", "configuration")
"""What a record says of its trial's state; all else in it are facts that the configuration determines."""


class TrialFolder:
    """``RUNS/KEY``: the record of one trial."""

    def __init__(self, runs: Path, trial: Trial) -> None:
        self.trial = trial
        self.path = runs / trial.key

    @property
    def checkpoint(self) -> Path:
        """The checkpoint that training resumes from; removed when the trial has ended."""
        return self.path / CHECKPOINT

    @property
    def weights(self) -> Path:
        """The trained weights."""
        return self.path / WEIGHTS

    def status(self) -> str | None:
        """``running``, ``pruned``, ``finished``, ``failed``, or None where there is no record yet.

        Raises:
            RecordError: the record is damaged, or of another configuration or version.
        """
        record = self._record()
        return None if record is None else str(record["status"])

    def _record(self) -> Json | None:
        return read_record(self.path, trial=self.trial) if (self.path / RECORD).exists() else None

    def tidy(self) -> list[str]:
        """Make the folder fit to go on in: what killed processes were writing goes, a damaged record is set aside.

        For the one process that holds the trial's claim. Returns what was damaged, in words.

        Raises:
            RecordError: the record is of another configuration or version.
        """
        for folder in (self.path, self.path / "eval"):
            remove_unfinished(folder)
        try:
            self.status()
        except DamagedFile as error:
            return [self.set_aside(self.path / RECORD, str(error))]
        return []

    def set_aside(self, file: Path, damage: str) -> str:
        """Keep a damaged file under another name, so that it is made again; returns what happened, in words."""
        kept = file.with_name(f"damaged-{uuid.uuid4().hex[:8]}-{file.name}")
        file.replace(kept)
        return f"{damage}; it is kept as {kept.name} and made again"

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Write the record of a running trial."""
        self._write_record("running", None, facts)

    def finish(
        self,
        facts: Mapping[str, Any],
        *,
        history: Sequence[Mapping[str, Any]] = (),
        gates: Sequence[Mapping[str, Any]] = (),
        weights: bytes | None = None,
        measured: Mapping[str, Any],
    ) -> None:
        """Write all files of a finished trial, the record last: only then is it finished.

        Raises:
            RecordError: the trial has ended before.
        """
        self._refuse_if_ended()
        if weights is not None:
            write_bytes(self.weights, weights)
        self.write_curves(history, gates)
        write_json(self.path / "measured.json", measured)
        self._write_record("finished", None, facts)
        self.checkpoint.unlink(missing_ok=True)

    def prune(self, facts: Mapping[str, Any], reason: str, *, measured: Mapping[str, Any]) -> None:
        """Write the record of a trial that was stopped early. Its checkpoint stays, so that it can be continued.

        Raises:
            RecordError: the trial has ended before.
        """
        self._refuse_if_ended()
        write_json(self.path / "measured.json", measured)
        self._write_record("pruned", reason, facts)

    def write_curves(self, history: Sequence[Mapping[str, Any]], gates: Sequence[Mapping[str, Any]]) -> None:
        """Write the validations so far; a resumed trial produces the same rows again."""
        if history:
            write_bytes(self.path / "history.csv", table(history))
        if gates:
            write_bytes(self.path / "gates.csv", table(gates))

    def fail(self, reason: str, *, measured: Mapping[str, Any]) -> None:
        """Write the record of a trial that failed, with its reason. The checkpoint stays.

        Raises:
            RecordError: the trial has ended before.
        """
        begun = self._refuse_if_ended()
        write_json(self.path / "measured.json", measured)
        self._write_record("failed", reason, {name: fact for name, fact in begun.items() if name not in STATE})

    def give_up(self, reason: str, *, failed: bool) -> None:
        """Say why a trial is given up: in its record if it has ``failed``, else in a note and to be tried again.

        For the one process that holds the trial's claim.
        """
        if failed and self.status() in (None, "running"):
            self.fail(reason, measured={})
        else:
            write_json(self.path / GIVEN_UP, {"reason": reason, "at": datetime.now(UTC).isoformat(timespec="seconds")})

    def forget_given_up(self) -> None:
        """Remove the note of a trial that has been given up before."""
        (self.path / GIVEN_UP).unlink(missing_ok=True)

    def reopen_failed(self) -> None:
        """Set a failed trial's record aside, kept under another name, so that it can be tried again."""
        if self.status() == "failed":
            (self.path / RECORD).replace(self.path / f"failed-{uuid.uuid4().hex[:8]}.json")

    def _write_record(self, status: str, reason: str | None, facts: Mapping[str, Any]) -> None:
        record = {"format": FORMAT, "key": self.trial.key, "status": status, "reason": reason}
        write_json(self.path / RECORD, record | {"configuration": self.trial.configuration()} | dict(facts))

    def _refuse_if_ended(self) -> Json:
        """The record so far, empty where there is none."""
        record = self._record() or {}
        if record.get("status") in ENDED:
            raise RecordError(f"{self.path / RECORD} has ended as {record['status']} and is never overwritten")
        return record

    def evaluated(self, split: str) -> bool:
        """Whether the split's evaluation is there.

        Raises:
            RecordError: it is there in part, or damaged.
        """
        folder = self.path / "eval" / split
        if not folder.exists():
            return False
        advice = "move the folder away to evaluate again"
        if not (folder / "summary.json").exists():
            raise RecordError(f"{folder} is half written: it has no summary.json; {advice}")
        try:
            read_json(folder / "summary.json")
        except RecordError as error:
            raise RecordError(f"{error}; {advice}") from error
        return True

    def write_evaluation(self, split: str, files: Mapping[str, bytes]) -> None:
        """Write the files of one split's evaluation in one step: a folder appears whole or not at all.

        Raises:
            RecordError: the split has been evaluated before.
        """
        target = self.path / "eval" / split
        if target.exists():
            raise RecordError(f"{target} exists already and is never overwritten")
        with unfinished(target) as temporary:
            try:
                for name, content in files.items():
                    write_bytes(temporary / name, content)
                temporary.rename(target)
            except OSError as error:
                if target.exists():
                    raise RecordError(f"{target} was written by another process in the meantime") from error
                raise error if isinstance(error, StorageError) else refused(target, error) from error


def history_of(folder: Path) -> list[dict[str, float]]:
    """The validations of a trial so far, from the table or its exported form, ``.gz``; empty cells are NaN.

    Raises:
        RecordError: the table cannot be read; the message names the file.
    """
    path, exported = folder / "history.csv", folder / "history.csv.gz"
    if not exported.exists() and not path.exists():
        return []
    try:
        content = _unpacked(read_bytes(exported)) if exported.exists() else read_bytes(path)
        rows = parse_table(path, content)
        return [{name: float(cell) if cell else math.nan for name, cell in row.items()} for row in rows]
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise error if isinstance(error, RecordError) else DamagedFile(f"{path} cannot be read: {error}") from error


def _unpacked(content: bytes) -> bytes:
    with gzip.open(io.BytesIO(content)) as file:
        return file.read(LARGEST_BYTES)


def read_record(folder: Path, *, trial: Trial | None = None) -> Json:
    """The record of a run folder, checked against the trial where one is given.

    Raises:
        RecordError: missing, damaged, of another version, or of another configuration; the message names the file.
    """
    path = folder / RECORD
    record = read_json(path)
    missing = {"format", "key", "status", "configuration"} - set(record)
    if missing:
        raise DamagedFile(f"{path} is incomplete or not a record: it lacks {', '.join(sorted(missing))}")
    configuration = record["configuration"]
    numerics = configuration.get("numerics") if isinstance(configuration, dict) else None
    if record["format"] != FORMAT or numerics != NUMERICS:
        made, here = reprlib.repr(record["format"]), reprlib.repr(numerics)
        raise RecordError(
            f"{path} was made by another version (format {made}, numerics {here}; "
            f"this is format {FORMAT}, numerics {NUMERICS})"
        )
    _check_parts(path, record)
    if trial is not None and canonical_json(configuration) != trial.text:
        raise RecordError(f"{path} holds a configuration that does not match its key")
    return record


def _check_parts(path: Path, record: Json) -> None:
    """Refuse parts of another type than a record has, whoever has written it."""
    configuration = record["configuration"]
    parts = {name: configuration.get(name) for name in ("method", "dataset", "budget", "seed")}
    parts |= {"key": record["key"], "status": record["status"], "reason": record.get("reason")}
    named = {
        f"{name}.name": part.get("name") for name, part in parts.items() if name in NAMED and isinstance(part, dict)
    }
    for name, value in (parts | named).items():
        rule, allowed = PARTS[name]
        if not allowed(value):
            raise DamagedFile(f"{path}: {name!r} must be {rule}, got {reprlib.repr(value)}")


def _is_text(value: Any) -> bool:
    """Text that can be printed: half a character of two, which JSON can write, cannot."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


NAMED = ("method", "dataset")
PARTS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "method": ("an object", lambda value: isinstance(value, dict)),
    "method.name": ("a name", _is_text),
    "dataset": ("an object", lambda value: isinstance(value, dict)),
    "dataset.name": ("a name", _is_text),
    "budget": ("an object or null", lambda value: value is None or isinstance(value, dict)),
    "seed": ("a whole number", lambda value: type(value) is int),
    "key": ("text", _is_text),
    "status": (f"one of {', '.join(STATUSES)}", lambda value: value in STATUSES),
    "reason": ("text or null", lambda value: value is None or _is_text(value)),
}
"""The parts of a record that every reader may rely on, each with its rule in words."""
