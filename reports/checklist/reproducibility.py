"""What records show of the code, the settings and the total effort behind them: items 1 and 3 of the checklist."""

from reports.analysis.effort import effort, training_hours
from reports.analysis.protocol import protocol
from reports.checklist.evidence import IN_PART, NONE, NOT_SHOWN, SHOWN, Answer, Evidence, flat, trials_with
from reports.records.files import as_object
from reports.records.search import SearchRecords
from reports.wording import listing, plural


def training_code(evidence: Evidence) -> Answer:
    commits, lacking = evidence.recorded("commit"), evidence.lacking("commit")
    if not commits:
        return NOT_SHOWN, "No trial records the commit that it ran."
    changed = [commit for commit in commits if commit.endswith("+")]
    text = f"{trials_with(evidence, lacking)} name the commit that ran: {listing([commit[:12] for commit in commits])}."
    text += f" {listing([commit[:12] for commit in changed])} had uncommitted changes (+)." if changed else ""
    costs = evidence.recorded("cost_commit")
    text += f" Costs were measured at {listing([commit[:12] for commit in costs])}." if costs else ""
    return IN_PART, f"{text} Whether it is released cannot be seen from the records."


def space_code(evidence: Evidence) -> Answer:
    if not evidence.searches:
        return NONE
    spaces = [f"{search.name}: {_space(search)}" for search in evidence.searches]
    return IN_PART, f"The spaces are in the records ({'; '.join(spaces)}); their code is that of the commits above."


def final_settings(evidence: Evidence) -> Answer:
    trials = evidence.trials
    if trials.empty:
        return NOT_SHOWN, "No trial was begun."
    lacking = evidence.lacking("numerics")
    text = (
        f"{trials_with(evidence, lacking)} have their whole configuration (method, data, budget, seed) in record.json; "
        f"seeds {', '.join(sorted({str(seed) for seed in trials['seed'].dropna()}, key=int))}."
    )
    return (IN_PART if lacking else SHOWN), text


def method_code(evidence: Evidence) -> Answer:
    if not evidence.searches:
        return NONE
    names = sorted({str(search.searched.get("searcher")) for search in evidence.searches})
    return IN_PART, f"The searchers are named ({listing(names)}); their code is that of the commits and versions below."


def method_settings(evidence: Evidence) -> Answer:
    if not evidence.searches:
        return NONE
    needed = ("searcher", "seed", "trials", "objectives", "early_stopping")
    sentences, whole = [], True
    for search in evidence.searches:
        missing = [name for name in needed if name not in search.searched]
        whole = whole and not missing
        settings = ", ".join(f"{name} {flat(search.searched[name])}" for name in needed if name not in missing)
        sentences.append(f"{search.name}: {settings}" + (f"; not recorded: {listing(missing)}" if missing else ""))
    return (SHOWN if whole else IN_PART), f"{'; '.join(sentences)}."


def tuning(evidence: Evidence) -> Answer:
    studies = [
        comparison
        for comparison in evidence.comparisons
        if comparison.records.definition.get("study") in ("tuning", "recipe")
    ]
    if studies:
        efforts = [
            f"{records.name}: {plural(len(records.arms), 'setting')}, {effort(training_hours(records.trials))}"
            for records in (comparison.records for comparison in studies)
        ]
        return SHOWN, f"The trials of the tuning are in these records: {'; '.join(efforts)}."
    untrue = {sentence for comparison in evidence.comparisons for sentence in protocol(comparison).contradicted}
    stated = [
        str(line)
        for definition in evidence.definitions
        for line in definition.get("protocol") or []
        if "chosen" in str(line) and str(line) not in untrue
    ]
    if stated:
        return IN_PART, f"The protocol says: “{stated[0]}” Time and resources of it are not in these records."
    return NOT_SHOWN, "How settings were chosen is not in these records."


def whole_time(evidence: Evidence) -> Answer:
    trained = (
        evidence.trials[evidence.trials["trained"].fillna(True).astype(bool)]
        if len(evidence.trials)
        else evidence.trials
    )
    if trained.empty or "training_s" not in trained or trained["training_s"].isna().all():
        return NOT_SHOWN, "No trial records how long it trained."
    lacking = int(trained["training_s"].isna().sum())
    text = f"{effort(training_hours(trained))} of all trials, searches with their controls and confirmations included"
    text += f", but for {plural(lacking, 'trial')} without a time" if lacking else ""
    return IN_PART, f"{text}; the time of evaluation and of the searchers themselves is not in the sum."


def setup(evidence: Evidence) -> Answer:
    needed = {
        "commit": "commit",
        "versions": "versions",
        "device": "device",
        "host_cpu": "processor",
        "threads": "threads",
        "command": "command",
    }
    missing = [
        f"{name} of {plural(lacking, 'trial')}"
        for column, name in needed.items()
        if (lacking := evidence.lacking(column))
    ]
    missing += sorted(
        {
            f"{name} of {definition['name']}"
            for definition in evidence.definitions
            for name in ("dataset", "budget")
            if not definition.get(name)
        }
    )
    if evidence.trials.empty:
        return NOT_SHOWN, "No trial was begun."
    if missing:
        return IN_PART, f"Configurations are recorded; missing: {'; '.join(missing)}."
    return (
        IN_PART,
        "Data, budget, configuration, commit, versions, device, processor, threads and command of every trial are "
        f"recorded; what else ran on the machine during training is not recorded.{_without_cost(evidence)}",
    )


def _without_cost(evidence: Evidence) -> str:
    """Of how many arms the cost was not measured."""
    arms = [comparison.evaluated["latency_s"] for comparison in evidence.comparisons]
    lacking = sum(int(latencies.isna().sum()) for latencies in arms)
    return f" The latency of {plural(lacking, 'arm')} was not measured." if lacking else ""


def _space(records: SearchRecords) -> str:
    space = as_object(records.searched.get("space"))
    operators = f"operators {space['operators']}" if space.get("operators") else ""
    settings = plural(len(space["parameters"]), "setting") if space.get("parameters") else ""
    return listing([part for part in (operators, settings) if part]) or "not described"
