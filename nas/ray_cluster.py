"""Starting Ray here or joining a cluster, and refusing what no node of it could ever run."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import ray
import yaml

CONNECT_S = 20.0
OBJECT_STORE_BYTES = 100 * 2**20  # nothing large goes through it
LONGEST_TEMPORARY = 36
"""Bytes of a temporary folder under which Ray's sockets still have a path of 107 bytes, the most that Linux takes."""
QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "inf",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}
"""What Tune takes from the environment alone: no files per trial, no snapshots of its state, no tables and traces."""
LOST_HOSTS = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "5",
    "RAY_grpc_client_keepalive_time_ms": "5000",
    "RAY_grpc_client_keepalive_timeout_ms": "5000",
}
"""How soon a lost host is noticed, as in ``experiments/cluster/ray.env``: its trials run again within half a minute.
With Ray's own settings calls that are under way to such a host do not fail for seven minutes."""
TRY = """
import ray, sys
try:
    ray.init(sys.argv[1], log_to_driver=False)
except Exception as error:
    print(error)
    sys.exit(1)
"""


def connect(address: str | None, *, cpus_per_trial: float, gpus_per_trial: float) -> None:
    """Start Ray here, or join the cluster at an address, if a node of it has room for a trial.

    Raises:
        ValueError: impossible amounts, this process is connected already, no cluster answers there, or none has room.
    """
    _check_amounts(cpus_per_trial, gpus_per_trial)
    if ray.is_initialized():
        raise ValueError("run_ray(): this process is connected to Ray already; call ray.shutdown() first")
    for name, value in (QUIET | (LOST_HOSTS if address is not None else {})).items():
        os.environ.setdefault(name, value)
    if address is not None:
        _require_cluster(address)
    handler = signal.getsignal(signal.SIGTERM)
    ray.init(
        address or "local",
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES if address is None else None,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=_temporary_folder() if address is None else None,
    )
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)  # Ray sets its own
    logging.getLogger("ray.tune.tune").setLevel(logging.CRITICAL)  # it would list the trials that were given again
    try:
        _require_room(cpus_per_trial, gpus_per_trial)
    except ValueError:
        ray.shutdown()
        raise


def _check_amounts(cpus: float, gpus: float) -> None:
    for name, amount, least in (("cpus_per_trial", cpus, "above 0"), ("gpus_per_trial", gpus, "0 or more")):
        if not amount >= 0 or (amount == 0 and name == "cpus_per_trial") or (amount > 1 and amount % 1 != 0):
            raise ValueError(f"run_ray(): '{name}' must be {least}, and a whole number if above 1, got {amount:g}")


def _temporary_folder() -> str | None:
    """Where Ray keeps its sockets, if its own choice is too long for one; None leaves it to Ray.

    Raises:
        ValueError: there is no shorter folder.
    """
    chosen = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    if len(os.fsencode(chosen)) <= LONGEST_TEMPORARY:
        return None
    if not os.access("/tmp", os.W_OK):
        raise ValueError(
            f"run_ray(): the temporary folder {chosen} is too long for Ray's sockets, and /tmp cannot be written; "
            f"set RAY_TMPDIR to a path of {LONGEST_TEMPORARY} characters at most"
        )
    return f"/tmp/ray-{os.getuid()}"


def _require_cluster(address: str) -> None:
    """Try to connect, in a process of its own: where nothing answers Ray tries for minutes, and cannot be interrupted.

    Raises:
        ValueError: it cannot be done; the message says why.
    """
    host, _, port = address.rpartition(":")
    try:
        if address.startswith("ray://"):
            raise ValueError("must be that of a head, host:port, or auto")
        if host:
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
        tried = subprocess.run(
            [sys.executable, "-c", TRY, address], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            timeout=CONNECT_S, check=False,
        )  # fmt: skip
        if tried.returncode:
            raise ValueError(" ".join(tried.stdout.split()))
    except (OSError, OverflowError, ValueError, subprocess.TimeoutExpired) as error:
        slow = isinstance(error, subprocess.TimeoutExpired)
        reason = f"none answers within {CONNECT_S:.0f} s" if slow else str(error)
        raise ValueError(f"run_ray(): no cluster at 'address' {address!r}: {reason}") from error


def _require_room(cpus: float, gpus: float) -> None:
    """Refuse what no node could ever run, since Ray would wait for one without end.

    Raises:
        ValueError: no node is large enough, nor any that may still come.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in (*nodes, *_expected_nodes())):
        got = ", ".join(sorted({f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes}))
        raise ValueError(f"run_ray(): a trial needs {cpus:g} CPUs and {gpus:g} GPUs on one node; there are {got}")


def _expected_nodes() -> Iterator[Mapping[str, float]]:
    """Resources of nodes that may still come, by the file that ``ray up`` leaves on a cluster's head."""
    path = Path(os.environ.get("HOME", "/")) / "ray_bootstrap_config.yaml"
    if path.exists():
        for kind in yaml.safe_load(path.read_text(encoding="utf-8"))["available_node_types"].values():
            yield kind.get("resources") or {"CPU": float("inf"), "GPU": float("inf")}  # known when it has come
