"""Malformed records, drawn by a seed: what a trial, a study or a report reads, with texts that are meant to do harm."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.malformed import spoil_bytes, spoil_kind, spoil_length, spoil_table

ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    [],
    {},
    [[]],
    -1,
    0,
    10**19,
    10**400,
    1e308,
    "x",
    "",
    [1],
    [0, 0, 0],
    {"a": 1},
)
HOSTILE_TEXTS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</svg></table>",
    "red \x1b[31m\x07\x00",
    '=HYPERLINK("http://example.org","x")',
    "@SUM(1)",
    r"\input{/etc/passwd} $\alpha_$ 50% & {",
    "$",
    "$x^{$",
    "{{ 7 * 7 }} {% raw %}",
    "line\nbreak\u2028end\r",
    "\u202etxet",
    "\ud800",
    "../../outside",
    "/etc",
    "a" * 5000,
    "word " * 500,
    "",
    " ",
    "|**b**|`c`[l](x)",
    "²",
)


def spoil_json(path: Path, rng: np.random.Generator) -> str:
    """Make a JSON file malformed in one value, or altogether; what was done, in words."""
    way = str(rng.choice(["value"] * 4 + ["text"] * 4 + ["lost", "bytes", "length", "nested", "digits", "kind"]))
    whole = {"bytes": spoil_bytes, "length": spoil_length, "kind": spoil_kind}
    if way in whole:
        return f"{path.name}: {whole[way](path, rng)}"
    if way in ("nested", "digits"):
        path.write_text("[" * 100_000 if way == "nested" else f'{{"key": {"9" * 5000}}}')
        return f"{path.name}: {way}"
    content = json.loads(path.read_text())
    place, name = _drawn_place(content, rng, texts=way == "text")
    value = HOSTILE_TEXTS[rng.integers(len(HOSTILE_TEXTS))] if way == "text" else None
    if way == "value":
        value = ODD_VALUES[rng.integers(len(ODD_VALUES))]
    if way == "lost":
        del place[name]
    else:
        place[name] = value
    path.write_text(json.dumps(content))
    return f"{path.name}: {name} {way if way == 'lost' else repr(value)[:40]}"


def _drawn_place(content: Any, rng: np.random.Generator, *, texts: bool) -> tuple[Any, Any]:
    """An object or list, and the name or number of a value in it; ``texts``: of a text where there is one."""
    places: list[tuple[Any, Any]] = []
    inner = [content]
    while inner:
        place = inner.pop()
        for name, value in list(place.items() if isinstance(place, dict) else enumerate(place)):
            places.append((place, name))
            if isinstance(value, dict | list):
                inner.append(value)
    chosen = [(place, name) for place, name in places if isinstance(place[name], str)] if texts else places
    chosen = chosen or places
    return chosen[rng.integers(len(chosen))]


def spoil_record(folder: Path, rng: np.random.Generator) -> str:
    """Make a run folder malformed: its record, its weights, or the folder itself; what was done, in words."""
    way = rng.random()
    if way < 0.05:
        shutil.rmtree(folder)
        return "no folder"
    weights = folder / "weights.safetensors"
    if way < 0.25 and weights.exists():
        ways = (spoil_bytes, spoil_length, spoil_kind)
        return f"weights: {ways[rng.integers(len(ways))](weights, rng)}"
    return spoil_json(folder / "record.json", rng)


def spoil_runs(runs: Path, rng: np.random.Generator) -> str:
    """Make one file of a folder of runs malformed, or two; what was done, in words."""
    done = []
    for _ in range(1 + int(rng.random() < 0.2)):
        files = sorted(path for path in runs.rglob("*") if path.is_file())
        kinds = sorted({path.name for path in files})
        name = kinds[rng.integers(len(kinds))]
        named = [path for path in files if path.name == name]
        done.append(f"{name}: {_spoil_file(named[rng.integers(len(named))], rng)}")
    return "; ".join(done)


def _spoil_file(path: Path, rng: np.random.Generator) -> str:
    try:
        if path.suffix == ".json":
            return spoil_json(path, rng)
        if path.suffix == ".csv":
            return _hostile_cell(path, rng) if rng.random() < 0.4 else spoil_table(path, rng)
    except ValueError:  # spoiled before
        pass
    ways = (spoil_bytes, spoil_length, spoil_kind)
    return ways[rng.integers(len(ways))](path, rng)


def _hostile_cell(path: Path, rng: np.random.Generator) -> str:
    rows = list(csv.reader(io.StringIO(path.read_text())))
    row = rows[rng.integers(len(rows))]
    column = int(rng.integers(len(row)))
    text = HOSTILE_TEXTS[rng.integers(len(HOSTILE_TEXTS))]
    row[column] = text
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    path.write_bytes(written.getvalue().encode("utf-8", errors="replace"))
    return f"a cell {text[:40]!r}"
