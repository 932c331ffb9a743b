"""What a finished trial has trained, read from its folder, whoever has written that: nothing of it is unpickled."""

import reprlib
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from fusemorph.configuration import Json
from fusemorph.method import Method, load_method
from fusemorph.records import RECORD, WEIGHTS, read_record
from fusemorph.storage import DamagedFile, RecordError, read_json

MOST_PARTS = 10**5


def load_network(folder: Path, method: Method, dims: int) -> nn.Module | None:
    """The trained network of a run folder, or None for a method without one.

    Raises:
        RecordError: the weights are missing, damaged, or do not fit; the message names the file.
    """
    network = method.network(dims)
    if network is None:
        return None
    weights = load_weights(folder / WEIGHTS)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise _unfit(folder, method, str(error)) from error
    return network.eval()


def _unfit(folder: Path, method: Method, reason: str) -> RecordError:
    return RecordError(f"load_network(): weights {folder / WEIGHTS} do not fit the method {method.name!r}: {reason}")


def load_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        RecordError: missing, no regular file, or damaged; the message names the file.
    """
    if not path.is_file():
        raise RecordError(f"{path} must be a regular file with the trained weights")
    try:
        return load_file(path)
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise DamagedFile(f"{path} cannot be read as weights: {error}") from error


def load_trial(folder: Path) -> tuple[Method, nn.Module | None, Json]:
    """Method, trained network and record of a finished trial.

    Raises:
        ValueError: no finished record there, another version, weights that do not fit, or a control that registers
            nothing without label maps.
    """
    record = read_record(folder)
    if record["status"] != "finished":
        raise ValueError(f"load_trial(): {folder} must hold a finished trial, it is {record['status']}")
    shape, spacing_mm = (record.get(name) for name in ("shape", "spacing_mm"))
    if not _is_grid(shape, spacing_mm):
        got = f"{reprlib.repr(shape)} and {reprlib.repr(spacing_mm)}"
        raise RecordError(f"{folder / RECORD}: 'shape' and 'spacing_mm' must be those of a 2-D or 3-D grid, got {got}")
    configuration, dims = record["configuration"]["method"], len(record["shape"])
    try:
        _require_moderate(configuration)
        method = load_method(configuration)
        _require_size(folder, method, dims)
        network = load_network(folder, method, dims)
    except RecordError:
        raise
    except Exception as error:  # settings of other types or sizes make a method fail in ways that it does not list
        message = shorten(str(error), 500, placeholder=" ...")
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise RecordError(f"{folder / RECORD}: {kind}{message}{_made_with(folder)}") from error
    if getattr(network, "inputs", 1) > 1:
        raise ValueError(f"{folder}: a control, whose network must be shown the label maps of both images")
    return method, network, record


def _require_moderate(settings: Any) -> None:
    """Refuse whole numbers of which no network has so many parts: one could be built from them for hours."""
    if isinstance(settings, dict | list):
        for value in settings.values() if isinstance(settings, dict) else settings:
            _require_moderate(value)
    elif type(settings) is int and abs(settings) > MOST_PARTS:
        raise ValueError(f"'method' must have whole numbers up to {MOST_PARTS}, got {settings}")


def _require_size(folder: Path, method: Method, dims: int) -> None:
    """Compare the sizes of the network with those of its weights before memory is taken for it."""
    try:
        with torch.device("meta"):
            network = method.network(dims)
    except Exception:  # one that cannot be built without its numbers is built below
        return
    if network is None:
        return
    due, stored = network.state_dict(), load_weights(folder / WEIGHTS)
    shapes = [{name: tuple(tensor.shape) for name, tensor in tensors.items()} for tensors in (due, stored)]
    for name in (*due, *stored):
        wanted, found = (shape.get(name) for shape in shapes)
        if wanted != found:
            raise _unfit(folder, method, f"{name} has shape {found} and should have {wanted}")
        if due[name].is_floating_point() != stored[name].is_floating_point():
            raise _unfit(folder, method, f"{name} holds {stored[name].dtype} and should hold {due[name].dtype}")


def _made_with(folder: Path) -> str:
    """The folders of entries that a trial was made with, for whoever may trust them: a record alone runs no code."""
    measured = folder / "measured.json"
    entries = read_json(measured).get("entries") if measured.exists() else None
    return f"; the trial was made with --entries {repr(entries)[:500]}" if entries else ""


def _is_grid(shape: Any, spacing_mm: Any) -> bool:
    if not isinstance(shape, list) or not isinstance(spacing_mm, list) or len(shape) != len(spacing_mm):
        return False
    sides = all(type(side) is int and side > 0 for side in shape)
    spacings = all(type(spacing) in (int, float) and spacing > 0 for spacing in spacing_mm)
    return len(shape) in (2, 3) and sides and spacings
