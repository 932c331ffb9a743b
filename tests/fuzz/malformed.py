"""Malformed images, tables and settings, drawn by a seed."""

import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

ODD_NUMBERS = (
    0,
    1,
    -1,
    2,
    255,
    32767,
    -32768,
    1e-38,
    1e38,
    -1e38,
    1e-6,
    1e6,
    float("nan"),
    float("inf"),
    -float("inf"),
)
ODD_TEXTS = (
    "",
    " ",
    "x",
    "nan",
    "inf",
    "-1",
    "0",
    "9" * 5000,
    "1e400",
    "١",
    "\u202e",
    "é" * 300,
    "..",
    "a/b",
    "<b>",
    "=1+1",
)
HEADER_FIELDS = (
    *(("dim", number) for number in range(8)),
    *(("pixdim", number) for number in range(8)),
    *((f"srow_{axis}", number) for axis in "xyz" for number in range(4)),
    *((name, None) for name in ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "sform_code", "qform_code")),
    *(
        (name, None)
        for name in ("datatype", "bitpix", "vox_offset", "scl_slope", "scl_inter", "xyzt_units", "sizeof_hdr")
    ),
)


def spoil_image(path: Path, rng: np.random.Generator) -> str:
    """Make an image malformed in one way, or two; what was done, in words."""
    ways: tuple[Callable[[Path, np.random.Generator], str], ...] = (
        _field,
        _field,
        spoil_bytes,
        spoil_length,
        _values,
        _shape,
        spoil_kind,
    )
    done = [ways[rng.integers(len(ways))](path, rng)]
    if path.is_file() and rng.random() < 0.2:
        done.append(spoil_bytes(path, rng))
    return "; ".join(done)


def _content(path: Path) -> bytearray:
    content = path.read_bytes()
    return bytearray(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)


def _keep(path: Path, content: bytes | bytearray) -> None:
    path.write_bytes(gzip.compress(bytes(content), mtime=0) if path.name.endswith(".gz") else bytes(content))


def _field(path: Path, rng: np.random.Generator) -> str:
    content = _content(path)
    name, index = HEADER_FIELDS[rng.integers(len(HEADER_FIELDS))]
    value = ODD_NUMBERS[rng.integers(len(ODD_NUMBERS))]
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    with np.errstate(all="ignore"):
        kind = header[name].dtype
        number = np.nan_to_num(value, nan=0, posinf=32767, neginf=-32768) if kind.kind in "iu" else value
        spoiled = np.clip(number, -32768, 32767).astype(kind) if kind.kind in "iu" else np.asarray(number).astype(kind)
        if index is None:
            header[name] = spoiled
        else:
            header[name][index] = spoiled
    content[:348] = header.binaryblock
    _keep(path, content)
    return f"{name}[{index}] = {value}"


def spoil_bytes(path: Path, rng: np.random.Generator) -> str:
    content = bytearray(path.read_bytes())
    places: list[int] = rng.integers(len(content), size=int(rng.integers(1, 5))).tolist() if content else []
    for place in places:
        content[place] = rng.integers(256)
    path.write_bytes(bytes(content))
    return f"bytes {places}"


def spoil_length(path: Path, rng: np.random.Generator) -> str:
    content = path.read_bytes()
    at = int(rng.choice([0, 1, 100, 347, 351, len(content) - 1, len(content) // 2]))
    extra = bytes(int(rng.choice([0, 0, 10, 3 * 2**20])))
    path.write_bytes(content[:at] if not extra else content + extra)
    return f"{len(extra)} bytes more" if extra else f"cut at {at}"


def _values(path: Path, rng: np.random.Generator) -> str:
    image = nib.Nifti1Image.from_filename(path)
    array = np.asarray(image.dataobj, np.float64)
    value = float(rng.choice([np.nan, np.inf, 1e39, -3e38, 1e-44, -1, 0.5, 40000, 2**31, 1e18]))
    which = rng.choice(["one", "all", "half"])
    places: dict[str, Any] = {"one": (0,) * array.ndim, "all": ..., "half": slice(0, len(array) // 2)}
    array[places[which]] = value
    dtype = np.dtype(rng.choice(["float64", "float32", "int16", "uint8", "complex64"]))
    with np.errstate(all="ignore"):
        nib.Nifti1Image(np.nan_to_num(array).astype(dtype) if dtype.kind in "iu" else array.astype(dtype), image.affine)
        spoiled = (
            np.clip(np.nan_to_num(array), -32768, 32767).astype(dtype) if dtype.kind in "iu" else array.astype(dtype)
        )
        _keep(path, nib.Nifti1Image(spoiled, image.affine).to_bytes())
    return f"{which} of the voxels {value} as {dtype}"


def _shape(path: Path, rng: np.random.Generator) -> str:
    shapes = [
        (1,),
        (5, 5),
        (40, 1, 1),
        (1, 1, 1),
        (2, 3, 4),
        (12, 12, 12, 2),
        (12, 12, 12, 1, 3),
        (300, 2, 2),
        (7, 90, 9),
    ]
    shape = shapes[rng.integers(len(shapes))]
    _keep(path, nib.Nifti1Image(rng.standard_normal(shape).astype(np.float32), np.eye(4)).to_bytes())
    return f"shape {shape}"


def spoil_kind(path: Path, rng: np.random.Generator) -> str:
    kind = rng.choice(["empty", "text", "folder", "pipe", "loop", "dangling", "bomb", "missing", "device"])
    path.unlink()
    if kind == "text":
        path.write_text("no image")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "dangling":
        path.symlink_to("nowhere.nii")
    elif kind == "bomb":
        header = bytearray(nib.Nifti1Image(np.zeros((9, 9, 9), np.float32), np.eye(4)).to_bytes())
        struct.pack_into("<4h", header, 40, 3, 30000, 30000, 30000)
        path.write_bytes(gzip.compress(bytes(header) + bytes(2**22)))
    return str(kind)


def spoil_table(path: Path, rng: np.random.Generator) -> str:
    """Make a table malformed; what was done, in words."""
    text = path.read_text()
    lines = text.splitlines()
    row = int(rng.integers(len(lines)))
    cells = lines[row].split(",")
    cell = int(rng.integers(len(cells)))
    way = rng.choice(["cell", "bytes", "encoding", "column", "twice", "lost", "quote", "separator", "kind"])
    if way == "cell":
        cells[cell] = str(rng.choice(ODD_TEXTS))
        lines[row] = ",".join(cells)
    elif way == "column":
        lines = [f"{line},{number}" for number, line in enumerate(lines)]
    elif way == "twice":
        lines.append(lines[row])
    elif way == "lost":
        del lines[row]
    elif way == "quote":
        lines[row] = f'"{lines[row]}'
    elif way == "separator":
        lines = [line.replace(",", str(rng.choice([";", "\t", ":", " "]))) for line in lines]
    if way == "bytes":
        return spoil_bytes(path, rng)
    if way == "kind":
        return spoil_kind(path, rng)
    encoding = str(rng.choice(["utf-16", "cp1252", "utf-16-le", "utf-32"])) if way == "encoding" else "utf-8"
    path.write_bytes("\n".join(lines).encode(encoding, errors="replace"))
    return f"{way} of row {row} in {encoding}"


def odd_setting(names: tuple[str, ...], rng: np.random.Generator) -> str:
    """``KEY=VALUE`` with a value that no data set takes, or hardly."""
    values = (
        *("[]", "{}", "null", "true", "-1", "0", "1e-9", "1e300", "nan", "[null]", "x", '"x"', "[[1]]", "0.5", "5000"),
        *("[1e-9,1,1]", "[100000,100000,100000]", "[0,0,0]", "[1,2]", "[1e400,1,1]", "-1,-1,-1", "8,8,8", "9" * 5000),
    )
    return f"{rng.choice([*names, 'cache', 'self', 'x y', ''])}={rng.choice(values)}"
