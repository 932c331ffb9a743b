"""What records show of how methods were compared: item 2 of the checklist."""

from collections.abc import Sequence
from typing import Any

from reports.analysis.comparison import Comparison
from reports.analysis.protocol import losses_of
from reports.checklist.evidence import IN_PART, NONE, NOT_SHOWN, SHOWN, Answer, Evidence, flat
from reports.records.definitions import CONTROL, SEARCH
from reports.records.files import EVALUATED, as_object
from reports.records.search import SearchRecords
from reports.statistics.intervals import SEEDS_FOR_A_CLAIM
from reports.wording import listing, plural

MOST_LISTED = 3


def same_benchmark(evidence: Evidence) -> Answer:
    if evidence.trials.empty:
        return NOT_SHOWN, "No trial was begun."
    benchmarks, faults = [], []
    for comparison in evidence.comparisons:
        records = comparison.records
        evaluated = records.trials[records.trials["state"] == EVALUATED]
        for column, name in (("fingerprint", "fingerprints of the data"), ("numerics", "versions of the numerics")):
            recorded = evaluated[column].dropna() if column in evaluated else evaluated["key"].iloc[:0]
            if recorded.nunique() != 1:
                faults.append(f"{records.name}: {recorded.nunique() or 'no'} {name}")
            elif lacking := len(evaluated) - len(recorded):
                faults.append(f"{records.name}: {plural(lacking, 'trial')} without {column}")
        changed = [arm["label"] for arm in records.definition["arms"] if arm.get("budget_changes")]
        faults += [f"{records.name}: {listing(changed)} trained with another budget"] if changed else []
        losses, unknown = losses_of(comparison)
        faults += [f"{records.name}: trained with {len(losses)} different losses"] if len(losses) > 1 else []
        faults += [f"{records.name}: the loss of {plural(len(unknown), 'arm')} is not recorded"] if unknown else []
        trained = ", one budget, one loss" if losses else ""
        benchmarks.append(f"{records.name}: one data set, split {records.split}{trained}")
    for search in evidence.searches:
        spaces = {flat(entry["search"].get("space")) for part in search.entries.values() for entry in part}
        faults += [f"{search.name}: search and control have different spaces"] if len(spaces) > 1 else []
        benchmarks.append(f"{search.name}: one space for search and control")
    if faults:
        return IN_PART, f"Not the same everywhere: {'; '.join(faults)}."
    return SHOWN, f"{'; '.join(benchmarks)}."


def confounders(evidence: Evidence) -> Answer:
    columns = {
        "processor": "host_cpu",
        "device": "device",
        "threads": "threads",
        "versions": "versions",
        "commit": "commit",
    }
    recorded = {name: evidence.recorded(column) for name, column in columns.items()}
    if not any(recorded.values()):
        return NOT_SHOWN, "No trial records the hardware and the versions that it ran with."
    lacking = max(evidence.lacking(column) for column in columns.values())
    same = [f"{name} {values[0]}" for name, values in recorded.items() if len(values) == 1]
    several = [f"{name} ({_abridged(values)})" for name, values in recorded.items() if len(values) > 1]
    costs = {"processor": "cost_host_cpu", "device": "cost_device", "threads": "cost_threads", "commit": "cost_commit"}
    several += [
        f"{name} of the cost measurements ({_abridged(values)})"
        for name, column in costs.items()
        if len(values := evidence.recorded(column)) > 1
    ]
    shortest, longest = _training_times(evidence)
    several += [f"time to train ({shortest:.0f} to {longest:.0f} s a trial)"] if longest > 1.1 * shortest else []
    parts = [f"the same in all: {'; '.join(same)}"] if same else []
    parts += [f"not the same: {listing(several)}"] if several else []
    parts += [f"{plural(lacking, 'trial')} without some of this"] if lacking else []
    text = ". ".join(part[:1].upper() + part[1:] for part in parts)
    return (IN_PART if several or lacking or not all(recorded.values()) else SHOWN), f"{text}."


def _abridged(values: Sequence[str]) -> str:
    """The first values of several, and how many there are."""
    short = [value[:40] for value in values[:MOST_LISTED]]
    return "; ".join(short) + (f"; {len(values)} in all" if len(values) > MOST_LISTED else "")


def _training_times(evidence: Evidence) -> tuple[float, float]:
    """The shortest and the longest training to the end, 0 where none is known."""
    finished = evidence.trials[evidence.trials["state"].isin([EVALUATED, "not evaluated", "finished"])]
    times = finished["training_s"].dropna() if "training_s" in finished else finished["key"].iloc[:0]
    return (float(times.min()), float(times.max())) if len(times) else (0.0, 0.0)


def ablations(evidence: Evidence) -> Answer:
    sentences = [sentence for comparison in evidence.comparisons if (sentence := _single_changes(comparison))]
    if not sentences:
        return NOT_SHOWN, "No evaluated arm differs from its baseline in one setting alone."
    return SHOWN, f"{'; '.join(sentences)}."


def _single_changes(comparison: Comparison) -> str:
    """How many arms differ from the baseline in one setting, and in which; empty where none does."""
    entries = {str(arm["label"]): as_object(arm.get("method")) for arm in comparison.records.definition["arms"]}
    base = entries.get(str(comparison.arms.loc[comparison.arms["arm"] == comparison.baseline, "label"].iloc[0]), {})
    changes = {label: _differing(entries.get(label, {}), base) for label in set(comparison.evaluated["label"])}
    alone = [names[0] for names in changes.values() if len(names) == 1]
    settings = listing(sorted(set(alone)))
    text = f"{plural(len(alone), 'arm')} unlike {comparison.baseline} in {settings} alone"
    return f"{comparison.records.name}: {text}" if alone else ""


def same_protocol(evidence: Evidence) -> Answer:
    if not any(len(comparison.records.pairs) for comparison in evidence.comparisons):
        return NOT_SHOWN, "No arm was evaluated on the pairs of a split."
    faults = []
    for comparison in (comparison for comparison in evidence.comparisons if len(comparison.records.pairs)):
        sets = comparison.records.pairs.groupby(["arm", "seed"])["pair"].agg(frozenset)
        faults += [f"{comparison.records.name}: not all trials on the same pairs"] if sets.nunique() > 1 else []
        faults += (
            [f"{comparison.records.name}: evaluated on the selection split"]
            if comparison.records.is_selection_split
            else []
        )
    if faults:
        return IN_PART, f"One code evaluates all arms; {'; '.join(faults)}."
    return SHOWN, "One code evaluates all arms on the same pairs, of a split on which nothing was chosen."


def over_time(evidence: Evidence) -> Answer:
    timed = [search.name for search in evidence.searches if (search.candidates["seconds"] > 0).any()]
    if timed and len(timed) == len(evidence.searches):
        return SHOWN, f"The best so far is shown over trials and over compute: {listing(timed)}."
    curves = [comparison.records.name for comparison in evidence.comparisons if len(comparison.records.history)]
    if timed or curves:
        sentence = f"Validation is shown over training steps ({listing(curves)})" if curves else "No training curve"
        return IN_PART, f"{sentence}; over compute: {listing(timed) or 'no search'}."
    return NOT_SHOWN, "Neither training curves nor a search with times is in these records."


def random_search(evidence: Evidence) -> Answer:
    if not evidence.searches:
        return NONE
    answers = [_control_of(search) for search in evidence.searches]
    worst = next(answer for answer in (NOT_SHOWN, IN_PART, SHOWN) if answer in {given for given, _ in answers})
    return worst, f"{'; '.join(sentence for _, sentence in answers)}."


def _control_of(search: SearchRecords) -> Answer:
    """Whether there is a random search of the same size beside a search."""
    if CONTROL not in search.entries or SEARCH not in search.entries:
        if search.searched.get("searcher") == "random":
            return SHOWN, f"{search.name} is random search itself"
        return NOT_SHOWN, f"{search.name}: no random search beside it"
    ended = {part: int((~search.of(part)["state"].isin(["running", "missing"])).sum()) for part in search.entries}
    planned = search.planned
    done = planned[SEARCH] == planned[CONTROL] and all(ended[part] >= planned[part] for part in planned)
    random, proposed = (f"{ended[part]} of {planned[part]}" for part in (CONTROL, SEARCH))
    return (
        SHOWN if done else IN_PART
    ), f"{search.name}: {random} random candidates have ended beside {proposed} of the search"


def several_runs(evidence: Evidence) -> Answer:
    trained = [comparison.evaluated[comparison.evaluated["trained"]] for comparison in evidence.comparisons]
    seeds = [int(count) for arms in trained for count in arms["seeds"]]
    sentences = []
    if seeds:
        fewest = "" if min(seeds) == max(seeds) else f"{min(seeds)} to "
        sentences.append(
            f"{plural(len(seeds), 'trained arm')} evaluated, with {fewest}{plural(max(seeds), 'seed')} each"
        )
    sentences += [f"{search.name} was searched once" for search in evidence.searches]
    if not sentences:
        return NOT_SHOWN, "No trained arm was evaluated."
    enough = bool(seeds) and min(seeds) >= SEEDS_FOR_A_CLAIM and not evidence.searches
    named = sorted({str(seed) for seed in evidence.trials["seed"].dropna()}, key=int)
    return (SHOWN if enough else IN_PART), f"{'; '.join(sentences)}. Seeds: {', '.join(named)}."


def benchmarks(evidence: Evidence) -> Answer:
    return (
        NOT_SHOWN,
        "All figures are of networks trained for these records; none is of a tabular or surrogate benchmark.",
    )


def _differing(method: dict[str, Any], base: dict[str, Any]) -> list[str]:
    return [name for name in {**base, **method} if method.get(name) != base.get(name)]
