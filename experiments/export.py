"""Copy what a study measured out of a run folder: numbers only, compressed, without weights, pictures or paths.

``python -m experiments.export RUNS NAME OUT`` writes what ``python -m reports OUT`` reads. Files that are there are
never overwritten with other numbers. ``--pictures`` takes the slices along, of simulated images alone;
``--checkpoints`` weights, and what unfinished trials go on from: OUT is then a run folder that ``sweep --runs OUT``
continues on another machine.
``--format learn2reg`` writes the displacements of an arm's val pairs instead, as the challenge takes them. ``--format
mlflow`` and ``wandb`` write a run for each trial (configuration, curves, final metrics, with ``--pictures`` slices) as
these packages keep them offline; again for a study that has gone on.
``--format table`` writes the curves of a ``table`` study, or of several that differ in their data set (NAME,NAME), as
one parquet file with a card beside it.
"""

import argparse
import gzip
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from experiments.trackers import TRACKERS, write_tracked
from fusemorph.paths import path_argument
from fusemorph.records import CHECKPOINT, ENDED, RECORD, WEIGHTS, read_record
from fusemorph.storage import RecordError, StorageError, read_json, write_bytes, write_json
from fusemorph.trials.checkpoint import checkpoint_step

PLAIN = (RECORD, "eval/*/summary.json")
MACHINE = ("measured.json", "cost.json")
PICTURES = ("eval/*/pictures.npz", "eval/*/viewer.npz")
COMPRESSED = (
    "history.csv",
    "gates.csv",
    "eval/*/pairs.csv",
    "eval/*/labels.csv",
    "eval/*/gates.csv",
    "eval/*/landmarks.csv",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of ``python -m experiments.export``; 0 when all is copied, 2 where something cannot be."""
    description = (
        "Copy what a study measured out of a run folder: numbers only, compressed, without weights, slices or paths. "
        "python -m reports OUT draws the report of them. Files in OUT are never overwritten with other numbers."
    )
    parser = argparse.ArgumentParser(prog="python -m experiments.export", description=description)
    parser.add_argument("runs", type=path_argument, metavar="RUNS")
    parser.add_argument("name", metavar="NAME", help="a study of RUNS/studies, without .json")
    parser.add_argument("out", type=path_argument, metavar="OUT")
    parser.add_argument(
        "--pictures", action="store_true", help="also export slices; only of simulated images, never of people"
    )
    parser.add_argument(
        "--checkpoints", action="store_true", help="also export weights, and unfinished trials with their checkpoints"
    )
    parser.add_argument(
        "--format",
        choices=("records", "learn2reg", "table", *TRACKERS),
        default="records",
        help="records, for reports and sweeps; the displacements of an arm's val pairs as Learn2Reg takes them; the "
        "curves of a table study as one file; or a run for each trial as MLflow or Weights & Biases keep it offline",
    )
    group = parser.add_argument_group("with --format learn2reg")
    group.add_argument("--arm", metavar="LABEL", help="arm whose displacements are written")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the trial; default: 0")
    group.add_argument("--data", type=path_argument, metavar="DIR", help="folder of the data set's files")
    group.add_argument("--cache", type=path_argument, metavar="DIR", help="where preprocessed images are kept")
    options = parser.parse_args(argv)
    if options.format == "learn2reg":
        return _submit(options)
    if options.format in TRACKERS:
        return _track(options)
    if options.format == "table":
        return _tabulate(options)
    taken = {"pictures": options.pictures, "checkpoints": options.checkpoints}
    try:
        copied = export(options.runs, options.name, options.out, **taken)
        print(f"{copied} trials in {options.out}")
    except (RecordError, StorageError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    return 0


def _track(options: argparse.Namespace) -> int:
    try:
        written = write_tracked(
            options.runs, options.name, options.out, tracker=options.format, pictures=options.pictures
        )
    except (RecordError, ValueError, OSError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    print(f"{written} trials in {options.out}")
    return 0


def _tabulate(options: argparse.Namespace) -> int:
    from experiments.table_export import export_table  # with what spaces need, which records need not

    if options.out.suffix not in (".parquet", ".json"):
        print(f"export: --format table writes a .parquet or .json file, got {options.out}", file=sys.stderr)
        return 2
    try:
        table = export_table(options.runs, options.name.split(","), options.out)
    except (ValueError, RecordError, StorageError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    print(f"{len(table.rows)} rows in {options.out}, described in {options.out.with_suffix('.md').name}")
    return 0


def _submit(options: argparse.Namespace) -> int:
    from experiments.submission import write_submission  # with torch, which records need not

    if options.arm is None:
        print("export: --format learn2reg needs --arm: whose displacements are written", file=sys.stderr)
        return 2
    try:
        written = write_submission(
            options.runs, options.name, options.out, arm=options.arm, seed=options.seed, data=options.data,
            cache=options.cache,
        )  # fmt: skip
    except (ValueError, OSError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    print(f"{written} displacements in {options.out}")
    return 0


def export(runs: Path, name: str, out: Path, *, pictures: bool = False, checkpoints: bool = False) -> int:
    """Copy a study's definition and its ended trials, with their slices where ``pictures``; returns how many trials.

    ``checkpoints``: trials that have not ended are copied too, and all with what training goes on from.

    Raises:
        RecordError: the study cannot be read, OUT holds other numbers under the same name or a trial that has gone on
            further there, or ``pictures`` of a study whose images are not simulated.
    """
    path = runs / "studies" / f"{name}.json"
    study = read_json(path)
    if pictures and study["dataset"].get("synthetic") is not True:
        raise RecordError(f"{path} is not of simulated images: slices of people stay where they are")
    asked = [key for arm in study["arms"] for key in arm["keys"].values()]
    keys = [key for key in asked if _has_ended(runs / key)]
    if checkpoints:
        keys += [key for key in asked if (runs / key / CHECKPOINT).exists() and key not in keys]
        for key in keys:
            _take_training(runs / key, out / key)
    for key in keys:
        for copied, content in _numbers(runs / key):
            _write_once(out / key / copied, content)
        for picture in _files(runs / key, PICTURES) if pictures else ():
            _write_once(out / key / picture.relative_to(runs / key), picture.read_bytes())
    commands = {"command": [_without_paths(line) for line in study["command"]]} if "command" in study else {}
    write_json(out / "studies" / f"{name}.json", study | commands)
    return len(keys)


def _take_training(folder: Path, out: Path) -> None:
    """Copy weights and checkpoint of a trial, over what of it was further back."""
    if not _has_ended(out):
        if _trained_steps(folder) < _trained_steps(out):
            raise RecordError(f"{out} has been trained further than {folder} and is never overwritten")
        (out / RECORD).unlink(missing_ok=True)  # it says that the trial is running
        (out / CHECKPOINT).unlink(missing_ok=True)
    elif not _has_ended(folder):
        raise RecordError(f"{out} has ended, {folder} has not: what has ended is never overwritten")
    for name in (WEIGHTS, CHECKPOINT):
        if (folder / name).exists():
            _write_once(out / name, (folder / name).read_bytes())


def _trained_steps(folder: Path) -> float:
    """Steps of a trial so far: those of its checkpoint; infinitely many of one that has ended."""
    if _has_ended(folder):
        return math.inf
    return checkpoint_step(folder / CHECKPOINT) if (folder / CHECKPOINT).exists() else 0


def _has_ended(folder: Path) -> bool:
    return (folder / RECORD).exists() and read_record(folder)["status"] in ENDED


def _numbers(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Relative path and content of each file of numbers in a trial's folder."""
    for path in _files(folder, PLAIN):
        yield str(path.relative_to(folder)), path.read_bytes()
    for path in _files(folder, COMPRESSED):
        yield f"{path.relative_to(folder)}.gz", gzip.compress(path.read_bytes(), mtime=0)
    for path in _files(folder, MACHINE):
        facts = read_json(path)
        facts["command"] = _without_paths(facts.get("command", ""))
        facts.pop("entries", None)  # folders of this machine
        yield path.name, (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode()


def _files(folder: Path, patterns: Sequence[str]) -> Iterator[Path]:
    """The files of the patterns, but for what a killed writer left under a name with a dot."""
    for pattern in patterns:
        yield from sorted(path for path in folder.glob(pattern) if not path.parent.name.startswith("."))


def _without_paths(command: str) -> str:
    """The command with every folder of this machine replaced by DIR."""
    words = (word.rpartition("=") for word in command.split())
    return " ".join(f"{name}{sign}{'DIR' if '/' in value else value}" for name, sign, value in words)


def _write_once(path: Path, content: bytes) -> None:
    if path.exists() and path.read_bytes() != content:
        raise RecordError(f"{path} is there with other numbers and is never overwritten")
    write_bytes(path, content)


if __name__ == "__main__":
    sys.exit(main())
