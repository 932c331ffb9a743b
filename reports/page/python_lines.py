"""The lines of Python that draw a page's figures and make its tables again."""

from collections.abc import Mapping

from reports.analysis.comparison import Comparison
from reports.analysis.search import objectives_of
from reports.records.metric import DICE
from reports.records.search import SearchRecords

_LABELS, _HISTORY, _GATES = (f'load(RUNS, study=STUDY, kind="{kind}")' for kind in ("labels", "history", "gates"))
_TAKES_BASELINE = frozenset({"differences", "forest", "side_by_side", "leaderboard", "cost"})
_TAKES_PRIMARY = frozenset(
    {
        "distribution", "differences", "forest", "side_by_side", "against", "significance",
        "critical_difference", "stability",
        "overview", "leaderboard", "ranks", "robustness",
    }
)  # fmt: skip


def preamble(comparison: Comparison) -> str:
    """What the lines of a study begin with."""
    return _preamble(
        ["from reports import plot, tabulate", "from reports.dataframe import load"],
        comparison.records.name,
        "records = load(RUNS, study=STUDY)",
    )


def search_preamble(records: SearchRecords) -> str:
    """What the lines of a search begin with."""
    return _preamble(["from reports import plot"], records.name, "search = plot.load_search(RUNS, study=STUDY)")


def _preamble(imports: list[str], study: str, last: str) -> str:
    return "\n".join(
        [*imports, "", 'RUNS = "runs"  # the run folder, or a list of several', f"STUDY = {study!r}", last]
    )


def python_lines(comparison: Comparison) -> dict[str, str]:
    """The line of each figure by its name, and of each table by ``table`` and its name."""
    given = {
        "primary": "" if comparison.metric == DICE else f", primary={comparison.metric.name!r}",
        "baseline": ""
        if comparison.baseline == comparison.records.definition.get("reference")
        else f", baseline={comparison.baseline!r}",
    }
    return _figures(given, comparison) | {f"table {name}": line for name, line in _tables(given).items()}


def _call(function: str, given: Mapping[str, str], more: str = "") -> str:
    options = given["primary"] * (function in _TAKES_PRIMARY) + given["baseline"] * (function in _TAKES_BASELINE)
    return f"{function}(records{more}{options})"


def _figures(given: Mapping[str, str], comparison: Comparison) -> dict[str, str]:
    against = _call("against", given, ", column")
    measured = comparison.methods.notna().any()
    panels = {
        name: f"[plot.{against} for column in {[column for column in columns if measured[column]]!r}]"
        for name, columns in (
            ("regularity", ("sd_log_jacobian", "folding_fraction")),
            ("price", ("parameters", "flops", "latency_s")),
        )
    }
    return {
        "forest": f"plot.{_call('forest', given)}",
        "distribution": f"plot.{_call('distribution', given)}",
        "differences": f"plot.{_call('differences', given)}",
        "groups": f"plot.{_call('side_by_side', given)}",
        **panels,
        "training": f"plot.training({_HISTORY})",
        "gates": f"plot.gates({_GATES}, stage=3)",
        "structures": f"plot.structures({_LABELS})",
        "significance": f"plot.{_call('significance', given)}",
        "ranks": f"plot.{_call('critical_difference', given)}",
        "stability": f"plot.{_call('stability', given)}",
    }


def _tables(given: Mapping[str, str]) -> dict[str, str]:
    names = ("overview", "leaderboard", "differences", "side_by_side", "cost", "ranks", "robustness")
    lines = {name: f"tabulate.{_call(name, given)}" for name in names}
    plain = {name: f"tabulate.{name}(records)" for name in ("regularity", "seeds")}
    return lines | plain | {"structures": f"tabulate.structures({_LABELS})"}


def search_lines(records: SearchRecords) -> dict[str, str]:
    """The line of each figure of a search by its name."""
    names = ("incumbent", "placement", "fidelity", "importance", "interactions", "path", "parallel")
    lines = {name: f"plot.{name}(search)" for name in names}
    if len(aims := objectives_of(records)) > 1:
        lines["front"] = f"plot.front(search, {aims[1].name!r})"
    settings = [str(entry["name"]) for entry in records.searched["space"].get("parameters") or []]
    drawn = f"[plot.effect(search, name) for name in {settings!r}]"
    return lines | {"stages": "plot.stage_effects(search)", "plans": "plot.plan(search)", "effects": drawn}
