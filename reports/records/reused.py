"""Which trials a study or search did not train itself, because another one had."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from fusemorph.storage import RecordError
from reports.records.contents import read_object

_NEVER = "~"  # after every date


def reused(name: str, keys: Mapping[str, Collection[str]], started: Mapping[str, str]) -> frozenset[str]:
    """Those of the trials of ``name`` that an entry which began before it lists too.

    ``keys``: the trials of every entry. ``started``: when a trial did, in ISO 8601. An entry began with the first trial
    that it alone lists, since a shared one tells nothing of who trained it.
    """
    users = Counter(key for used in keys.values() for key in used)
    began = {
        entry: min((started[key] for key in used if users[key] == 1 and key in started), default=_NEVER)
        for entry, used in keys.items()
    }
    earlier = [used for entry, used in keys.items() if began[entry] < began[name]]
    return frozenset(key for key in keys[name] if any(key in used for used in earlier))


def start_times(keys: Collection[str], runs: Sequence[Path]) -> dict[str, str]:
    """When the trials started, of those that have it in their ``measured.json``."""
    times: dict[str, str] = {}
    for key in keys:
        path = next((run / key / "measured.json" for run in runs if (run / key / "measured.json").is_file()), None)
        try:
            started = read_object(path).get("started") if path else None
        except RecordError:
            continue  # whoever loads the trial says so
        times |= {key: started} if isinstance(started, str) else {}
    return times
