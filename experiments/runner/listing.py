"""What ``--list`` shows: all that can be named on the command line of a sweep."""

from experiments.study import find_study
from fusemorph.catalogue import DATASETS, METHODS, OPERATORS, STUDIES, Entry, entries
from fusemorph.configuration import BUDGETS
from fusemorph.fusion.method import Fusion
from fusemorph.fusion.plan import NAMED_PLANS, parse_plan, vocabulary
from nas.spaces import SPACES


def listing() -> str:
    """Everything that can be named on the command line, and where each entry comes from."""
    studies = [f"  {name}: {_question(entry)} ({entry.origin})" for name, entry in entries(STUDIES).items()]
    datasets, methods = ([f"  {name} ({e.origin})" for name, e in entries(k).items()] for k in (DATASETS, METHODS))
    plans = [f"  {name}: {parse_plan(plan)}" for name, plan in NAMED_PLANS.items()]
    operators = [
        f"  {card.symbol}  {card.name}, reads {', '.join(sorted(card.reads))} ({entries(OPERATORS)[card.name].origin})"
        for card in vocabulary().values()
    ]
    budgets = [f"  {name}: {b.steps} steps, c = {b.width}, rate {b.learning_rate:g}" for name, b in BUDGETS.items()]
    base = Fusion().configuration()
    spaces = [f"  {name}: {len(make(base).plans())} plans" for name, make in SPACES.items()]
    parts = {
        "Studies": studies, "Data sets": datasets, "Methods": methods, "Plans": plans, "Operators": operators,
        "Spaces": spaces, "Budgets": budgets,
    }  # fmt: skip
    return "\n\n".join("\n".join([title, *lines]) for title, lines in parts.items())


def _question(entry: Entry) -> str:
    """The study's question, or why there is none: one broken file hides no other."""
    try:
        return find_study(entry.name).question
    except ValueError as error:
        return str(error).removeprefix(f"{entry}: ")
