"""TensorBoard scalars of running trials, read from their records; an extra that nothing depends on."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from fusemorph.records import history_of
from fusemorph.storage import RecordError
from nas.jobs import Status


def log_scalars(statuses: Iterator[Status], runs: Path, folder: Path) -> Generator[Status]:
    """Pass the statuses on, and write each new validation of a running trial as scalars under ``folder/KEY``."""
    from tensorboardX import SummaryWriter  # comes with the extra 'search'

    written: dict[str, int] = {}
    watched: set[str] = set()
    for status in statuses:
        watched |= {job.trial.key for job, _ in status.running}
        for key in watched:
            rows = _rows(runs / key)
            if len(rows) > written.get(key, 0):
                # The writer's own names tell files apart by the second, and replace one of the same second.
                with SummaryWriter(str(folder / key), filename_suffix=f".{len(rows)}") as writer:
                    _write(writer, rows[written.get(key, 0) :])
                written[key] = len(rows)
        yield status


def _rows(folder: Path) -> list[dict[str, float]]:
    try:
        return history_of(folder)
    except RecordError:
        return []


def _write(writer: Any, rows: list[dict[str, float]]) -> None:
    for row in rows:
        for name, value in row.items():
            if name != "step" and value == value:
                writer.add_scalar(name, value, int(row["step"]))
