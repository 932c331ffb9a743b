"""The figures of a search, composed and captioned; where there is nothing to draw, a sentence says why."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.colors import Normalize

from reports.analysis import candidates
from reports.analysis import search as analysis
from reports.analysis.search import part_names, proposer, title
from reports.figures.captioned import CaptionedFigure
from reports.plots import search as plots
from reports.plots.parallel import MOST_LINES, parallel_coordinates
from reports.plots.parts import FEWEST_FOR_COLOUR, PANELS_A_ROW, part_legend
from reports.plots.style import as_label, new_figure, style
from reports.records.definitions import SEARCH
from reports.records.levels import settings
from reports.records.plans import DEAD, operator_name, operators_of
from reports.records.search import SearchRecords
from reports.tables.table import caption
from reports.wording import number, plural


def search_figures(records: SearchRecords) -> Iterator[CaptionedFigure]:
    """Every figure of a search that its objectives and its space call for, one at a time."""
    several = len(analysis.objectives_of(records)) > 1
    chosen = [front if several else incumbent]
    chosen += [placement] if records.searched["space"].get("operators") else []
    for draw in (*chosen, fidelity, parallel):
        with style():
            yield draw(records)


def incumbent(records: SearchRecords) -> CaptionedFigure:
    """The best so far over trials and over compute."""
    captioned = CaptionedFigure(name="incumbent", title="Best candidate so far")
    aim, finished = analysis.objectives_of(records)[0], _finished(records)
    if finished[aim.column].isna().all():
        return replace(captioned, caption="No candidate has been trained to the end: nothing is drawn.")
    band = analysis.random_band(records)
    curves = pd.concat([analysis.incumbent(records, part) for part in records.parts])
    figure = new_figure(2.9)
    axes = figure.subplots(1, 2, sharey=True)
    labels = ("Candidates, in the order of their proposal", analysis.compute(records)[1])
    for ax, across, label in zip(axes, ("order", "compute"), labels, strict=True):
        plots.incumbent(ax, curves, band, finished, across=across, column=aim.column, unit=aim.unit)
        ax.set_xlabel(label)
    axes[0].set_ylabel(f"{aim.label}, best so far" if len(aim.label) < 20 else "Gain in val Dice, best so far")
    part_legend(figure, part_names(records), lines=True)
    best = {part: candidates.best(records.of(part), aim) for part in records.parts}
    values = "; ".join(
        f"{part} {number(float(str(row[aim.column])) / aim.unit, 4)} ({row['label']})"
        for part, row in best.items()
        if row is not None
    )
    text = (
        "Steps: best finished candidate so far; points: all finished candidates. Candidates that were stopped early "
        "take time but are not drawn as points; time is as measured, whatever else ran. "
    )
    if len(band):
        text += (
            "Band: the best gain of random search with as many candidates in 9 of 10 cases; dotted: its median; drawn "
            "from the candidates of the control as they ended. The search was run once: where it lies within the band, "
            "there is no evidence that it did better than chance."
        )
    else:
        text += "One run: how such curves vary between runs is not known."
    alt = f"Step plots of the best candidate so far over candidates and over compute. Best: {values}"
    return replace(captioned, caption=caption(text + _named(finished), records), alt=alt, figure=figure)


def placement(records: SearchRecords) -> CaptionedFigure:
    """Mean gain by stage and operator."""
    captioned = CaptionedFigure(name="placement", title="Gain by stage and operator")
    step, operators = candidates.shared_step(records.candidates), operators_of(records.searched["space"]["operators"])
    if step is None:
        return replace(captioned, caption="No step has been reached by all candidates: nothing is drawn.")
    judged = candidates.judged(records.candidates)
    cells = {
        part: candidates.placement(judged[judged["part"] == part], operators)
        for part in records.parts
        if (judged["part"] == part).any()
    }
    every = pd.concat(cells.values()).dropna(subset=["gain"])
    coloured = every[every["candidates"] >= FEWEST_FOR_COLOUR]
    gains = (coloured if len(coloured) else every)["gain"]
    shown = [operator for operator in (*operators, DEAD) if _is_met(cells.values(), operator)]
    figure = new_figure(0.85 + 0.4 * len(shown))
    axes = figure.subplots(1, len(cells), sharey=True, squeeze=False)[0]
    norm = Normalize(gains.min(), gains.max())
    for ax, (part, rows) in zip(axes, cells.items(), strict=True):
        mesh = plots.placement(ax, rows[rows["operator"].isin(shown)], norm=norm)
        ax.set_title(as_label(proposer(records, part)))
    figure.colorbar(mesh, ax=list(axes), label=f"Mean gain at step {step}", fraction=0.04, pad=0.02)
    left_out = int(records.candidates["state"].isin(candidates.ENDED).sum()) - len(judged)
    text = (
        f"Mean gain in val Dice over identity at step {step}, the last that all candidates reached, so that stopped "
        f"ones count; below it the number of candidates. A cell's candidates differ at the other stages too, and "
        f"{'a searcher proposes more of what did well, so its cells are no fair sample; ' if SEARCH in cells else ''}"
        "an early gain is not a final one. Cells of fewer than "
        f"{FEWEST_FOR_COLOUR} candidates carry no colour. Dead: the stage's output is not read, so it has no "
        "operator."
    )
    text += f" {plural(left_out, 'candidate')} without a gain at that step left out." if left_out else ""
    highest = [
        f"{part}: highest {number(float(row['gain']), 3, signed=True)} for "
        f"{operator_name(row['operator'])} at stage {row['stage']}"
        for part, rows in cells.items()
        for row in [rows.sort_values("gain", ascending=False, kind="stable").iloc[0]]
    ]
    alt = f"Heat map of mean gain by stage and operator at step {step}. {'; '.join(highest)}"
    return replace(captioned, caption=caption(text, records), alt=alt, figure=figure)


def fidelity(records: SearchRecords) -> CaptionedFigure:
    """Final against early gains."""
    captioned = CaptionedFigure(name="fidelity", title="Early against final gain")
    fidelities = analysis.fidelity(records)
    if not fidelities:
        return replace(captioned, caption="No finished candidate was validated more than once: nothing is drawn.")
    fidelities = [fidelities[0], *fidelities[1:][-PANELS_A_ROW + 1 :]]
    figure = new_figure(2.7)
    axes = figure.subplots(1, len(fidelities), sharey=True, squeeze=False)[0]
    for ax, early in zip(axes, fidelities, strict=True):
        plots.fidelity(ax, early.gains)
        ax.set_xlabel(f"Gain at step {early.step}")
    axes[0].set_ylabel(f"Final gain, step {fidelities[0].last}")
    part_legend(figure, part_names(records))
    correlations = "; ".join(_correlation(early) for early in fidelities)
    text = f"Rank correlation (Spearman) with the final gain: {correlations}. Each finished candidate once."
    if (records.candidates["state"] == "pruned").any():
        text += (
            " Only those that early stopping let through can be seen here: how it ranks the others is unknown, "
            "least of all whether one of them would have finished better."
        )
    alt = f"Scatter plots of final gain against earlier gains. Rank correlation: {correlations}"
    return replace(captioned, caption=caption(text + _named(fidelities[0].gains), records), alt=alt, figure=figure)


def parallel(records: SearchRecords) -> CaptionedFigure:
    """Every candidate as a line through what it chose to its gain."""
    captioned = CaptionedFigure(name="parallel", title="Every candidate, what it chose and what it gained")
    judged = candidates.judged(records.candidates)
    levels = settings(judged, records.searched["space"])
    if levels.empty or not levels.shape[1]:
        return replace(captioned, caption="No candidates differ and have a gain at a common step: nothing is drawn.")
    step, shown = candidates.shared_step(records.candidates), judged.loc[levels.index]
    figure = new_figure(3.6)
    parallel_coordinates(figure.subplots(), levels, shown)
    text = (
        f"One line per candidate, through the level of each setting that it chose to its gain at step {step}, the last "
        "that all reached; light lines gained most. Whole: the search; dashed: its control."
    )
    if len(shown) > MOST_LINES:
        text += f" Of {len(shown)} candidates the {MOST_LINES // 2} best and the {MOST_LINES // 2} worst."
    top = shown.sort_values("shared_gain", ascending=False, kind="stable").head(3)
    highest = "; ".join(
        f"{row['label']} {number(float(row['shared_gain']), 3, signed=True)}" for _, row in top.iterrows()
    )
    alt = f"Parallel coordinates of {plural(len(shown), 'candidate')}. Highest gains: {highest}"
    return replace(captioned, caption=caption(text, records), alt=alt, figure=figure)


def front(records: SearchRecords) -> CaptionedFigure:
    """The objectives against each other."""
    captioned = CaptionedFigure(name="front", title="Front of the objectives")
    aims, finished = analysis.objectives_of(records), _finished(records)
    finished = finished.dropna(subset=[aim.column for aim in aims])
    if finished.empty:
        return replace(captioned, caption="No candidate has been trained to the end: nothing is drawn.")
    finished = finished.assign(front=candidates.front(finished, aims))
    figure = new_figure(3.1)
    for ax, across in zip(figure.subplots(1, len(aims) - 1, sharey=True, squeeze=False)[0], aims[1:], strict=True):
        plots.front(ax, finished, across, aims[0])
        ax.label_outer()
    part_legend(figure, part_names(records))
    kept = finished[finished["front"]].sort_values(aims[0].column)
    text = (
        f"Finished candidates of search and control. Filled: no other is as good in all {len(aims)} objectives and "
        "better in one. One training each: neighbours on the front are not shown to differ."
    )
    alt = f"Scatter plot of {aims[0].label} against {', '.join(a.label for a in aims[1:])}. On the front: " + "; ".join(
        title(row) for _, row in kept.iterrows()
    )
    return replace(captioned, caption=caption(text + _named(finished), records), alt=alt, figure=figure)


def _correlation(fidelity: analysis.Fidelity) -> str:
    amount = f"n = {len(fidelity.gains)}"
    if np.isnan(fidelity.correlation):
        return f"none for step {fidelity.step} ({amount})"
    return f"{number(fidelity.correlation, 2)} for step {fidelity.step} ({amount})"


def _finished(records: SearchRecords) -> pd.DataFrame:
    return records.candidates[records.candidates["state"] == "finished"]


def _is_met(cells: Iterable[pd.DataFrame], operator: str) -> bool:
    return any((rows[rows["operator"] == operator]["candidates"] > 0).any() for rows in cells)


def _named(candidates: pd.DataFrame) -> str:
    return " Circled: candidates with a name of their own." if (candidates["name"] != "").any() else ""


search_drawings = search_figures
"""The name that the gallery once gave."""
