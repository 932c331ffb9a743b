"""Each figure of a search as one function, from its records (``load_search``) to Axes.

Where a figure has a panel for the search and one for its control, ``part`` says which: ``search`` or ``random
control``. All raise ValueError where there is nothing to draw.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D

from reports.analysis import candidates, search
from reports.analysis.ablation import ALL, analyse
from reports.analysis.candidates import OBJECTIVES, judged
from reports.plots import ablation as ablation_plots
from reports.plots import search as plots
from reports.plots.parallel import parallel_coordinates
from reports.plots.parts import FEWEST_FOR_COLOUR, PART_LOOK
from reports.plots.plan_diagram import diagram
from reports.plots.style import new_figure, style
from reports.records.definitions import SEARCH
from reports.records.levels import is_stage, settings
from reports.records.plans import DEAD, is_plan, operators_of
from reports.records.search import SearchRecords, load_searches
from reports.statistics.importance import FANOVA


def load_search(runs: Sequence[Path | str] | Path | str, *, study: str | None = None) -> SearchRecords:
    """A search with its control; ``study`` where the folders hold several.

    Raises:
        NothingToReportError: a folder that does not exist, or no such search.
        ValueError: the folders hold several searches, or none.
    """
    folders = [runs] if isinstance(runs, Path | str) else runs
    found = load_searches([Path(run) for run in folders], study=study)
    if len(found) != 1:
        names = ", ".join(search.name for search in found) or "none"
        raise ValueError(f"load_search(): 'study' must name one search, there are: {names}")
    return found[0]


def incumbent(records: SearchRecords, *, ax: Axes | None = None, legend: bool = True) -> Axes:
    """The best candidate so far over the candidates, beside that of random search."""
    aim, finished = search.objectives_of(records)[0], _finished("incumbent", records)
    curves = pd.concat([search.incumbent(records, part) for part in records.parts])
    drawn = plots.incumbent(
        _axes(ax), curves, search.random_band(records), finished, across="order", column=aim.column, unit=aim.unit
    )
    drawn.set(xlabel="Candidates, in the order of their proposal", ylabel=f"{aim.label}, best so far")
    return _named(drawn, records, legend=legend)


def front(records: SearchRecords, objective: str, *, ax: Axes | None = None, legend: bool = True) -> Axes:
    """The first objective against another (``flops``, ``parameters``, ``regularity``, ``folding``)."""
    if objective not in OBJECTIVES:
        raise ValueError(f"front(): 'objective' must be of {', '.join(OBJECTIVES)}, got {objective!r}")
    aims = search.objectives_of(records)
    finished = _finished("front", records).dropna(subset=[OBJECTIVES[objective].column, *(aim.column for aim in aims)])
    finished = finished.assign(front=candidates.front(finished, aims))
    return _named(plots.front(_axes(ax), finished, OBJECTIVES[objective], aims[0]), records, legend=legend)


def placement(records: SearchRecords, part: str = SEARCH, *, ax: Axes | None = None) -> Axes:
    """Mean gain by stage and operator of the candidates of a part."""
    operators = operators_of(str(_space(records, "placement", "operators")))
    cells = candidates.placement(_judged("placement", records, part), operators).dropna(subset=["gain"])
    coloured = cells[cells["candidates"] >= FEWEST_FOR_COLOUR]
    gains = (coloured if len(coloured) else cells)["gain"]
    met = [operator for operator in (*operators, DEAD) if (cells["operator"] == operator).any()]
    whole = candidates.placement(_judged("placement", records, part), operators)
    norm = Normalize(gains.min(), gains.max())
    drawn = _axes(ax)
    plots.placement(drawn, whole[whole["operator"].isin(met)], norm=norm)
    return drawn


def effect(records: SearchRecords, parameter: str, *, ax: Axes | None = None, legend: bool = True) -> Axes:
    """Gain by value of a setting that is not a stage: one point per candidate, means with intervals."""
    parameters = {str(entry["name"]): entry for entry in _space(records, "effect", "parameters")}
    if parameter not in parameters:
        raise ValueError(f"effect(): 'parameter' must be of {', '.join(parameters)}, got {parameter!r}")
    points, effects = candidates.effect(records.candidates, parameters[parameter]), analyse(records).effects
    shown = effects[(effects["basis"] == ALL) & (effects["setting"] == parameter)]
    drawn = plots.effect(_axes(ax), points, shown, parameters[parameter])
    drawn.set_ylabel("Gain at the last shared step")
    return _named(drawn, records, legend=legend)


def stage_effects(records: SearchRecords, *, ax: Axes | None = None, legend: bool = True) -> Axes:
    """Mean gain by stage and operator, with intervals."""
    effects = analyse(records).effects
    shown = effects[(effects["basis"] == ALL) & effects["setting"].map(is_stage)]
    if shown.empty:
        raise ValueError("stage_effects(): 'records' must have stages whose operator varies, got none")
    drawn = ablation_plots.main_effects(_axes(ax), shown)
    drawn.set_ylabel(f"Gain at step {shown['step'].iloc[0]:.0f}")
    return _named(drawn, records, legend=legend)


def importance(records: SearchRecords, method: str = FANOVA, *, ax: Axes | None = None, legend: bool = True) -> Axes:
    """Importance of each setting by ``fANOVA`` or ``PED-ANOVA``, beside chance."""
    shares = analyse(records).shares
    if method not in set(shares["method"]):
        methods = ", ".join(dict.fromkeys(shares["method"])) or "nothing: too few candidates have a gain"
        raise ValueError(f"importance(): 'method' must be of {methods}, got {method!r}")
    drawn = ablation_plots.importance(_axes(ax), shares[shares["method"] == method])
    drawn.set(xlabel="Importance", title=method)
    return _named(drawn, records, legend=legend)


def interactions(records: SearchRecords, part: str = SEARCH, *, ax: Axes | None = None) -> Axes:
    """What each pair of settings adds to the two, in per cent of the variance."""
    pairs = analyse(records).pairs
    shown = pairs[pairs["part"] == part]
    if shown.empty:
        raise ValueError(f"interactions(): 'part' must have enough candidates for pairs of settings, got {part!r}")
    drawn = _axes(ax)
    ablation_plots.interactions(drawn, shown, norm=Normalize(0, float(shown[["importance", "chance"]].max().max())))
    return drawn


def path(records: SearchRecords, number: int = 0, *, ax: Axes | None = None) -> Axes:
    """The gains along an ablation path, one change at a time."""
    paths = [found for found in analyse(records).paths if not found.reason and found.steps["gain"].notna().any()]
    if not 0 <= number < len(paths):
        raise ValueError(f"path(): 'number' must be below {len(paths)}, the number of paths with a gain, got {number}")
    drawn = ablation_plots.ablation_path(_axes(ax), paths[number].steps)
    drawn.set(title=f"{paths[number].start} to {paths[number].end}", ylabel="Gain")
    return drawn


def plan(records: SearchRecords, plan: str | None = None, *, ax: Axes | None = None) -> Axes:
    """A plan as a diagram of its paths (default: the best that was trained to the end)."""
    finished = _finished("plan", records)
    ranked = candidates.ranked(finished[finished["plan"].map(is_plan)], search.objectives_of(records)[0])
    if plan is None and ranked.empty:
        raise ValueError("plan(): 'records' must have a plan that was trained to the end, got none")
    chosen = str(ranked["plan"].iloc[0]) if plan is None else plan
    drawn = diagram(_axes(ax), chosen)
    drawn.set_title(chosen)
    return drawn


def fidelity(records: SearchRecords, step: int | None = None, *, ax: Axes | None = None, legend: bool = True) -> Axes:
    """Final gain against the gain at an earlier ``step`` (default: the first)."""
    fidelities = {estimate.step: estimate for estimate in search.fidelity(records)}
    if not fidelities or (step is not None and step not in fidelities):
        there = ", ".join(map(str, fidelities)) or "nothing: no finished candidate was validated more than once"
        raise ValueError(f"fidelity(): 'step' must be of {there}, got {step}")
    chosen = fidelities[next(iter(fidelities)) if step is None else step]
    drawn = plots.fidelity(_axes(ax), chosen.gains)
    drawn.set(xlabel=f"Gain at step {chosen.step}", ylabel=f"Final gain, step {chosen.last}")
    return _named(drawn, records, legend=legend)


def parallel(records: SearchRecords, *, ax: Axes | None = None) -> Axes:
    """Every candidate as a line through what it chose to its gain at the last step that all reached."""
    finished = judged(records.candidates)
    levels = settings(finished, records.searched["space"])
    if levels.empty or not levels.shape[1]:
        raise ValueError("parallel(): 'records' must have candidates that differ and have a gain, got none")
    return parallel_coordinates(_axes(ax), levels, finished.loc[levels.index])


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    with style():
        return new_figure(3.2).subplots()


def _finished(function: str, records: SearchRecords) -> pd.DataFrame:
    finished = records.candidates[records.candidates["state"] == "finished"]
    if finished.empty:
        raise ValueError(f"{function}(): 'records' must have a candidate that was trained to the end, got none")
    return finished


def _judged(function: str, records: SearchRecords, part: str) -> pd.DataFrame:
    candidates = judged(records.candidates)
    found = candidates[candidates["part"] == part]
    if found.empty:
        parts = ", ".join(dict.fromkeys(candidates["part"])) or "nothing"
        raise ValueError(f"{function}(): 'part' must be of {parts}, got {part!r}")
    return found


def _space(records: SearchRecords, function: str, name: str) -> Any:
    space = records.searched["space"].get(name)
    if not space:
        raise ValueError(f"{function}(): 'records' must be of a search over {name}, got one without")
    return space


def _named(ax: Axes, records: SearchRecords, *, legend: bool) -> Axes:
    """With a legend inside where there is a control beside the search."""
    if legend and len(records.parts) > 1:
        names = search.part_names(records)
        looks = [(part, *PART_LOOK[part]) for part in records.parts]
        handles = [Line2D([], [], color=c, marker=m, linestyle="none", label=names[part]) for part, c, m in looks]
        ax.legend(handles=handles, loc="best")
    return ax
