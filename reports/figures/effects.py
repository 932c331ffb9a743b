"""The figures of main effects, composed and captioned: stages by their operators, and every other setting."""

from dataclasses import replace
from typing import Any

import pandas as pd

from reports.analysis.ablation import ALL, FINISHED, Ablation
from reports.analysis.candidates import effect
from reports.analysis.search import part_names
from reports.figures.captioned import CaptionedFigure
from reports.plots import ablation as ablation_plots
from reports.plots import search as search_plots
from reports.plots.parts import FEWEST_FOR_COLOUR, PANELS_A_ROW, part_legend
from reports.plots.style import new_figure
from reports.records.definitions import SEARCH
from reports.records.levels import is_stage, levels
from reports.tables.table import caption
from reports.wording import number

_A_SEARCHER = (
    "A searcher proposes more of what did well, so its means are not a fair sample; those of the control are drawn "
    "at random. "
)


def stage_effects(ablation: Ablation) -> CaptionedFigure:
    """Mean gain by stage and operator, with intervals."""
    captioned = CaptionedFigure(name="stages", title="Main effect of each stage's operator")
    effects = ablation.effects
    stages = effects[effects["setting"].map(is_stage)]
    if stages.empty:
        return replace(captioned, caption="No stage's operator varies among candidates with a gain: nothing is drawn.")
    bases = [basis for basis in (ALL, FINISHED) if (stages["basis"] == basis).any()]
    figure = new_figure(0.5 + 1.75 * len(bases))
    axes = figure.subplots(len(bases), 1, squeeze=False)[:, 0]
    for ax, basis in zip(axes, bases, strict=True):
        shown = stages[stages["basis"] == basis]
        ablation_plots.main_effects(ax, shown)
        ax.set_ylabel(f"Gain at step {shown['step'].iloc[0]:.0f}\n({basis})")
    part_legend(figure, part_names(ablation.records))
    text = (
        f"Mean gain of the candidates with an operator at a stage, with 95 % intervals over them (Student's), at step "
        f"{ablation.step}, the last that all reached"
        + (", and below at the end of those that were trained to it: early stopping chose these, which makes the means "
           "of weak operators too high. " if FINISHED in bases else ". ")
        + f"Hollow: fewer than {FEWEST_FOR_COLOUR} candidates, no interval. Dotted: the mean of all. "
        + (_A_SEARCHER if SEARCH in set(stages["part"]) else "")
        + "Intervals are not corrected for their number; whether a stage matters is shown by the importance below."
    )  # fmt: skip
    alt = f"Dot plots of mean gain by operator for each stage. {_widest(stages[stages['basis'] == ALL])}"
    return replace(captioned, caption=caption(text, ablation.records), alt=alt, figure=figure)


def _widest(effects: pd.DataFrame) -> str:
    """The best operator of each stage, by part, in words."""
    sentences = []
    for part, means in effects[effects["candidates"] >= FEWEST_FOR_COLOUR].groupby("part", sort=False):
        highest = means.sort_values("mean", ascending=False, kind="stable").drop_duplicates("setting")
        rows = zip(highest["setting"], highest["level"], strict=True)
        sentences.append(f"{part}, highest: " + ", ".join(f"{setting} {level}" for setting, level in sorted(rows)))
    return "; ".join(sentences)


def setting_effects(ablation: Ablation) -> CaptionedFigure:
    """Gain by value of each parameter that is not a stage, with means and intervals."""
    captioned = CaptionedFigure(name="effects", title="Main effect of each setting")
    records, parameters = ablation.records, ablation.records.searched["space"]["parameters"]
    points = {parameter["name"]: effect(records.candidates, parameter) for parameter in parameters}
    drawn = [parameter for parameter in parameters if len(points[parameter["name"]])]
    if ablation.step is None or not drawn:
        return replace(captioned, caption="No step has been reached by all candidates: nothing is drawn.")
    effects = ablation.effects[ablation.effects["basis"] == ALL]
    rows = -(-len(drawn) // PANELS_A_ROW)
    figure = new_figure(0.5 + 1.9 * rows)
    axes = figure.subplots(rows, min(PANELS_A_ROW, len(drawn)), sharey=True, squeeze=False)
    for ax, parameter in zip(axes.flat, drawn, strict=False):
        search_plots.effect(ax, points[parameter["name"]], _of(effects, parameter), parameter)
    for ax in axes.flat[len(drawn) :]:
        ax.set_visible(False)
    for ax in axes[:, 0]:
        ax.set_ylabel(f"Gain at step {ablation.step}")
    part_legend(figure, part_names(records))
    text = (
        f"Points are candidates, judged at step {ablation.step}, the last that all reached, so that stopped ones "
        "count; bars are means of a value, or of a part of a range, with 95 % intervals over candidates (Student's) "
        f"where there are {FEWEST_FOR_COLOUR}. Candidates of one value differ in the other settings too. "
        + (_A_SEARCHER if SEARCH in set(effects["part"]) else "")
        + "Intervals are not corrected for their number; whether a setting matters is shown by the importance below."
    )
    sentences = "; ".join(_tendency(_of(effects, parameter), str(parameter["name"])) for parameter in drawn)
    alt = f"Dot plots of gain at step {ablation.step} by setting. {sentences}"
    return replace(captioned, caption=caption(text, records), alt=alt, figure=figure)


def _of(effects: pd.DataFrame, parameter: dict[str, Any]) -> pd.DataFrame:
    """The effects of a parameter where it is active, in values that its space lists."""
    rows: pd.DataFrame = effects[effects["setting"] == parameter["name"]]
    return rows.loc[rows["level"].isin(levels(parameter))]


def _tendency(effects: pd.DataFrame, name: str) -> str:
    """What a panel shows, in words."""
    sentences = [
        f"{part} {', '.join(f'{level} {number(mean, 3, signed=True)}' for level, mean in means)}"
        for part, rows in effects.groupby("part", sort=False)
        for means in [zip(rows["level"], rows["mean"], strict=True)]
    ]
    return f"{name}: {'; '.join(sentences) or 'one value alone'}"
