"""Reading a trained network back from its run folder."""

from pathlib import Path

from safetensors.torch import load_file
from torch import nn

from fusemorph.catalogue import add_folders
from fusemorph.configuration import Json
from fusemorph.method import Method, load_method
from fusemorph.records import WEIGHTS, read_json, read_record


def load_network(folder: Path, method: Method, dims: int) -> nn.Module | None:
    """The trained network of a run folder, or None for a method without one.

    Raises:
        ValueError: the weights are missing, damaged, or do not fit; the message names the file.
    """
    network = method.network(dims)
    if network is None:
        return None
    path = folder / WEIGHTS
    try:
        network.load_state_dict(load_file(path))
    except Exception as error:
        raise ValueError(f"load_network(): weights {path} do not fit the method {method.name!r}: {error}") from error
    return network.eval()


def load_trial(folder: Path) -> tuple[Method, nn.Module | None, Json]:
    """Method, trained network and record of a finished trial.

    Raises:
        ValueError: no finished record there, another version, or weights that do not fit.
    """
    record = read_record(folder)
    if record["status"] != "finished":
        raise ValueError(f"load_trial(): {folder} must hold a finished trial, it is {record['status']}")
    method = _recorded_method(folder, record["configuration"]["method"])
    return method, load_network(folder, method, len(record["shape"])), record


def _recorded_method(folder: Path, configuration: Json) -> Method:
    """The method of a finished trial, which may come from a folder of entries that the trial was made with."""
    measured = folder / "measured.json"
    recorded = [Path(path) for path in read_json(measured).get("entries", ())] if measured.exists() else []
    add_folders(path for path in recorded if path.is_dir())
    try:
        return load_method(configuration)
    except ValueError as error:
        if gone := [str(path) for path in recorded if not path.is_dir()]:
            raise ValueError(f"{error}; {folder} was made with --entries {', '.join(gone)}, which is gone") from error
        raise
