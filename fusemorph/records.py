"""What a trial leaves on disk, and how it is written so that nothing finished is ever lost. No torch.

``RUNS/KEY/`` holds what configuration and seed determine (``record.json``, ``history.csv``, ``gates.csv``,
``weights.safetensors``) apart from what the machine determines (``measured.json``, ``cost.json``), and
``eval/SPLIT/`` once a split. Every file is written whole under another name, then renamed.
"""

import csv
import errno
import gzip
import io
import json
import math
import os
import shutil
import uuid
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fusemorph.configuration import NUMERICS, Json, Trial, canonical_json

FORMAT = 1
ENDED = ("finished", "failed", "pruned")
WEIGHTS = "weights.safetensors"
GIVEN_UP = "given_up.json"
STATE = ("format", "key", "status", "reason", "configuration")
"""What a record says of its trial's state; all else in it are facts that the configuration determines."""


class RecordError(ValueError):
    """A run folder that cannot be read or must not be written; the message names the file."""


class StorageError(OSError):
    """The storage refused a write; the message names the file. Nothing finished is touched."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        StorageError: no space, no permission, or the storage is gone.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise refused(path, error) from error


def refused(path: Path, error: OSError) -> StorageError:
    """The error of a write that the storage refused, in words."""
    reason = "no space left on the disk" if error.errno == errno.ENOSPC else error.strerror
    return StorageError(error.errno, f"cannot write {path}: {reason}")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON for people and machines: sorted, indented, no NaN."""
    write_bytes(path, (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Json:
    """Read a JSON object.

    Raises:
        RecordError: missing or damaged; the message names the file.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise RecordError(f"{path} must hold a JSON object")
    return value


def table(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as CSV, columns in order of first appearance; NaN and missing cells stay empty."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return text.getvalue().encode()


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV with their cells as they stand, so that ``table`` writes the same bytes; none without the file."""
    if not path.exists():
        return []
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    return repr(float(value)) if isinstance(value, float) else value


class TrialFolder:
    """``RUNS/KEY``: the record of one trial."""

    def __init__(self, runs: Path, trial: Trial) -> None:
        self.trial = trial
        self.path = runs / trial.key

    @property
    def checkpoint(self) -> Path:
        """Where training goes on from; gone when the trial has ended."""
        return self.path / "checkpoint.safetensors"

    @property
    def weights(self) -> Path:
        """The trained weights."""
        return self.path / WEIGHTS

    def status(self) -> str | None:
        """``running``, ``pruned``, ``finished``, ``failed``, or None where there is no record yet.

        Raises:
            RecordError: the record is damaged, or of another configuration or version.
        """
        path = self.path / "record.json"
        return str(read_record(self.path, trial=self.trial)["status"]) if path.exists() else None

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Write the record of a running trial; halves of checkpoints that killed processes left are removed.

        For the one process that holds the trial's claim.
        """
        self._write_record("running", None, facts)
        for half in self.path.glob(f".{self.checkpoint.name}.*"):
            half.unlink(missing_ok=True)

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
        """Write the validations so far; an interrupted trial comes by the same rows again."""
        if history:
            write_bytes(self.path / "history.csv", table(history))
        if gates:
            write_bytes(self.path / "gates.csv", table(gates))

    def fail(self, reason: str, *, measured: Mapping[str, Any]) -> None:
        """Write the record of a trial that failed, with its reason. The checkpoint stays.

        Raises:
            RecordError: the trial has ended before.
        """
        self._refuse_if_ended()
        begun = read_json(self.path / "record.json") if self.status() else {}
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
            (self.path / "record.json").replace(self.path / f"failed-{uuid.uuid4().hex[:8]}.json")

    def _write_record(self, status: str, reason: str | None, facts: Mapping[str, Any]) -> None:
        record = {"format": FORMAT, "key": self.trial.key, "status": status, "reason": reason}
        write_json(self.path / "record.json", record | {"configuration": self.trial.configuration()} | dict(facts))

    def _refuse_if_ended(self) -> None:
        if self.status() in ENDED:
            raise RecordError(f"{self.path / 'record.json'} has ended as {self.status()} and is never overwritten")

    def evaluated(self, split: str) -> bool:
        """Whether the split's evaluation is there.

        Raises:
            RecordError: it is there in part.
        """
        folder = self.path / "eval" / split
        if folder.exists() and not (folder / "summary.json").exists():
            raise RecordError(f"{folder} is half written: it has no summary.json; move it away to evaluate again")
        return folder.exists()

    def write_evaluation(self, split: str, files: Mapping[str, bytes]) -> None:
        """Write the files of one split's evaluation in one step: a folder appears whole or not at all.

        Raises:
            RecordError: the split has been evaluated before.
        """
        target = self.path / "eval" / split
        if target.exists():
            raise RecordError(f"{target} is there already and is never overwritten")
        temporary = target.with_name(f".{split}.{uuid.uuid4().hex[:8]}")
        try:
            for name, content in files.items():
                write_bytes(temporary / name, content)
            temporary.rename(target)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            if target.exists():
                raise RecordError(f"{target} was written by another process in the meantime") from error
            raise error if isinstance(error, StorageError) else refused(target, error) from error


def history_of(folder: Path) -> list[dict[str, float]]:
    """The validations of a trial so far, from the table or its exported form, ``.gz``; empty cells are NaN.

    Raises:
        RecordError: the table cannot be read; the message names the file.
    """
    path, exported = folder / "history.csv", folder / "history.csv.gz"
    try:
        text = gzip.decompress(exported.read_bytes()) if exported.exists() else path.read_bytes()
        rows = list(csv.DictReader(io.StringIO(text.decode())))
        if not text.endswith(b"\n") or any(None in row or None in row.values() for row in rows):
            raise ValueError("it is cut short")
        return [{name: float(cell) if cell else math.nan for name, cell in row.items()} for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, EOFError, ValueError, TypeError, zlib.error) as error:
        raise RecordError(f"{path} cannot be read: {error}") from error


def read_record(folder: Path, *, trial: Trial | None = None) -> Json:
    """The record of a run folder, checked against the trial where one is given.

    Raises:
        RecordError: missing, damaged, of another version, or of another configuration; the message names the file.
    """
    path = folder / "record.json"
    record = read_json(path)
    missing = {"format", "key", "status", "configuration"} - set(record)
    if missing:
        raise RecordError(f"{path} is half written or no record: it lacks {', '.join(sorted(missing))}")
    configuration = record["configuration"]
    numerics = configuration.get("numerics") if isinstance(configuration, dict) else None
    if record["format"] != FORMAT or numerics != NUMERICS:
        raise RecordError(
            f"{path} was made by another version (format {record['format']}, numerics {numerics}; "
            f"this is format {FORMAT}, numerics {NUMERICS})"
        )
    if trial is not None and canonical_json(record["configuration"]) != trial.text:
        raise RecordError(f"{path} holds another configuration than its key says")
    return record
