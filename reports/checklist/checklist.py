"""The checklist of best practices in architecture search, answered from the records and never beyond them.

Source: Lindauer and Hutter, "Best Practices for Scientific Research on Neural Architecture Search", JMLR 21(243), 2020;
numbered as there, the questions in our own words.
"""

from collections.abc import Callable, Sequence

import pandas as pd

from reports.analysis.comparison import Comparison
from reports.checklist import evaluation as comparing
from reports.checklist import reproducibility as practices
from reports.checklist.evidence import Answer, Evidence
from reports.records.search import SearchRecords
from reports.tables.table import Table

_ITEMS: tuple[tuple[str, str, Callable[[Evidence], Answer]], ...] = (
    ("1a", "Is the code released that trains and evaluates the final networks?", practices.training_code),
    ("1b", "Is the code of the search space released?", practices.space_code),
    ("1c", "Are settings and seeds of the final training and evaluation given?", practices.final_settings),
    ("1d", "Is the code of the search method released?", practices.method_code),
    ("1e", "Are settings and seeds of the search method given?", practices.method_settings),
    ("2a", "Do all methods share data, split, search space and training with its settings?", comparing.same_benchmark),
    (
        "2b",
        "Are confounders held equal: hardware, versions of libraries, running time?",
        comparing.confounders,
    ),
    ("2c", "Are there ablation studies?", comparing.ablations),
    ("2d", "Is every method evaluated by the same protocol?", comparing.same_protocol),
    ("2e", "Is performance compared over time?", comparing.over_time),
    ("2f", "Is there a comparison with random search?", comparing.random_search),
    ("2g", "Was everything run several times, with the seeds reported?", comparing.several_runs),
    ("2h", "Were tabular or surrogate benchmarks used to look deeper?", comparing.benchmarks),
    ("3a", "Is it stated how settings were tuned, and what time and resources that took?", practices.tuning),
    ("3b", "Is the time of the whole method given, from end to end?", practices.whole_time),
    ("3c", "Are all details of the setup given?", practices.setup),
)


def checklist(comparisons: Sequence[Comparison], searches: Sequence[SearchRecords]) -> Table:
    """Each item with what the records show of it."""
    evidence = Evidence(comparisons, searches)
    rows = [(number, question, *answer(evidence)) for number, question, answer in _ITEMS]
    shown = pd.DataFrame(rows, columns=["Item", "Question", "Answer", "From the records"])
    text = (
        "Best practices for research on architecture search (Lindauer and Hutter, JMLR 21(243), 2020), numbered as "
        "there, in our own words. Answers rest on these records alone; “not shown” does not mean that it was not done."
    )
    return Table(title="Checklist of best practices", caption=text, numbers=shown, shown=shown)
