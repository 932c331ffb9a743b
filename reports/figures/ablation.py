"""The figures of an ablation, composed and captioned; where there is nothing to draw, a sentence says why."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from reports.analysis.ablation import Ablation, SearchPath
from reports.analysis.search import objectives_of, part_names, proposer
from reports.figures.captioned import CaptionedFigure
from reports.figures.effects import setting_effects, stage_effects
from reports.plots import ablation as plots
from reports.plots.parts import part_legend
from reports.plots.plan_diagram import OPERATOR_COLOURS, diagram, reading
from reports.plots.style import COLOURS, FAINT, GREY, as_label, new_figure, style
from reports.records.definitions import SEARCH
from reports.records.plans import DEAD, NAMED_PLANS, canonical, is_plan, operator_name, stage_symbols
from reports.statistics.importance import FANOVA, FEWEST, LEVEL, PED_ANOVA, TOP
from reports.tables.table import caption
from reports.wording import listing, number, plural

DIAGRAMS = 4


def ablation_figures(ablation: Ablation) -> Iterator[CaptionedFigure]:
    """Every figure of an ablation that the space calls for, one at a time."""
    space = ablation.records.searched["space"]
    chosen = [stage_effects, importance] if space.get("operators") else [importance]
    chosen = [setting_effects, *chosen] if space.get("parameters") else chosen
    chosen += [interactions, path, *([plans] if space.get("operators") else [])]
    for draw in chosen:
        with style():
            yield draw(ablation)


def importance(ablation: Ablation) -> CaptionedFigure:
    """fANOVA and PED-ANOVA side by side."""
    captioned = CaptionedFigure(name="importance", title="Importance by fANOVA and by PED-ANOVA")
    shares = ablation.shares
    if shares.empty:
        text = (
            f"Fewer than {FEWEST} candidates have a gain at a common step, or nothing varies: no importance is given."
        )
        return replace(captioned, caption=text)
    settings = list(dict.fromkeys(shares["setting"]))
    figure = new_figure(0.95 + 0.24 * len(settings))
    labels = {FANOVA: "Share of the variance", PED_ANOVA: "Pearson divergence of the best"}
    for ax, method in zip(figure.subplots(1, 2, sharey=True), (FANOVA, PED_ANOVA), strict=True):
        plots.importance(ax, shares[shares["method"] == method])
        ax.set_title(method)
        ax.set_xlabel(labels[method])
    part_legend(figure, part_names(ablation.records))
    amounts = listing([f"{result.candidates} of the {part}" for part, result in ablation.importances.items() if result])
    text = (
        f"At step {ablation.step}, over {amounts}. fANOVA: the share of the variance of a random forest that belongs "
        "to a setting alone; a dead stage counts as a level. PED-ANOVA: how far the best "
        f"{TOP:.0%} differ from all in what they chose, where it is active. The two answer different questions and may "
        "disagree. Dotted: what the most important setting reaches when gains are shuffled, in 95 of 100 shuffles; "
        f"filled: above that (5 % to be wrong for each method and part). {findings(ablation)}"
    )
    if SEARCH in ablation.importances:
        text += " The shuffles treat candidates as independent, which a searcher's are not: the control weighs more."
    return replace(
        captioned, caption=caption(text, ablation.records), alt=f"Importance plots. {findings(ablation)}", figure=figure
    )


def findings(ablation: Ablation) -> str:
    """Which settings are shown to matter, by whom; or that none is."""
    sentences = [
        f"{listing(above)} by {method} ({part})"
        for part, result in ablation.importances.items()
        for method in (FANOVA, PED_ANOVA)
        if result and (above := result.above_chance(method))
    ]
    return (
        f"Above chance: {'; '.join(sentences)}."
        if sentences
        else "No setting is above chance: none is shown to matter."
    )


def interactions(ablation: Ablation) -> CaptionedFigure:
    """What pairs of settings add, by fANOVA."""
    captioned = CaptionedFigure(name="interactions", title="Pairwise interactions (fANOVA)")
    pairs = ablation.pairs
    if pairs.empty:
        return replace(captioned, caption="No two settings vary over enough candidates: no interaction is given.")
    shown = [part for part in ablation.importances if (pairs["part"] == part).any()]
    size = pairs["first"].nunique()
    figure = new_figure(1.2 + 0.3 * size)
    axes = figure.subplots(1, 2, squeeze=False)[0]
    norm = Normalize(0, max(float(pairs["importance"].max()), float(pairs["chance"].max())))
    for ax, part in zip(axes, shown, strict=False):
        mesh = plots.interactions(ax, pairs[pairs["part"] == part], norm=norm)
        ax.set_title(as_label(proposer(ablation.records, part)))
    for ax in axes[len(shown) :]:
        ax.set_visible(False)
    percent = FuncFormatter(lambda share, _: f"{100 * share:.3g}")
    figure.colorbar(mesh, ax=list(axes[: len(shown)]), label="Variance (%)", fraction=0.04, pad=0.02, format=percent)
    above = pairs[pairs["p_value"] <= LEVEL].sort_values("importance", ascending=False)
    named = [f"{pair['first']} with {pair['second']} ({pair['part']})" for _, pair in above.iterrows()]
    chance = listing(
        [f"{100 * rows['chance'].iloc[0]:.1f} ({part})" for part, rows in pairs.groupby("part", sort=False)]
    )
    sentence = f"Above chance: {listing(named)}." if named else "No pair is above chance: no interaction is shown."
    text = (
        "Per cent of the variance of the forest that two settings have together beside what each has alone. Framed: "
        f"above what the strongest pair reaches in 95 of 100 shuffles of the gains, {chance}. {sentence}"
    )
    return replace(
        captioned, caption=caption(text, ablation.records), alt=f"Triangles of pairs. {sentence}", figure=figure
    )


def path(ablation: Ablation) -> CaptionedFigure:
    """Ablation paths, one a row."""
    captioned = CaptionedFigure(name="path", title="Ablation paths, one change at a time")
    reasons = [f"From {path.start} to {path.end}: no path, {path.reason}." for path in ablation.paths if path.reason]
    drawn = [path for path in ablation.paths if not path.reason and _half_trained(path)]
    reasons += [
        f"From {path.start} to {path.end}: {path.steps['gain'].notna().sum()} of its {len(path.steps)} configurations "
        f"{'was' if path.steps['gain'].notna().sum() == 1 else 'were'} trained, too few to draw."
        for path in ablation.paths
        if not path.reason and path not in drawn
    ]
    if not drawn:
        return replace(captioned, caption=" ".join(reasons) or "No candidate has a gain: no path is drawn.")
    figure = new_figure(0.35 + 1.75 * len(drawn))
    for ax, path in zip(figure.subplots(len(drawn), 1, squeeze=False)[:, 0], drawn, strict=True):
        plots.ablation_path(ax, path.steps)
        ax.set_title(f"{path.start[:1].upper()}{path.start[1:]} to {path.end}")
        ax.set_ylabel("Gain")
    every = pd.concat([path.steps for path in drawn])
    handles = [
        (every["gain"].notna(), Line2D([], [], color=COLOURS[0], marker="o", markersize=5,
                                       label=f"at step {ablation.step}")),
        (every["final"].notna(), Line2D([], [], color=COLOURS[1], marker="s", markersize=5, markerfacecolor="none",
                                label="trained to the end")),
        (every["gain"].isna(), Line2D([], [], color=GREY, marker="x", markersize=5, linestyle="none",
                                      label="not trained")),
    ]  # fmt: skip
    figure.legend(handles=[line for met, line in handles if met.any()], loc="outside upper right", ncols=3)
    gaps = sum(len(path.gaps) for path in drawn)
    text = (
        "Each step changes one setting. Of all orders of the changes, the one with the fewest configurations that "
        f"nobody trained, and of those the one with the best mean gain at step {ablation.step}; configurations of this "
        "search, its control, and other studies with the same budget and data. "
        f"{plural(gaps, 'gap')}: crosses were not trained and are not estimated; the table of the path lists them. "
        "One training each: a step is no measured effect of its change."
    )
    sentences = [f"{path.start} to {path.end}: " + _along(path.steps) for path in drawn]
    text = " ".join([text, *reasons])
    return replace(captioned, caption=caption(text, ablation.records), alt="; ".join(sentences), figure=figure)


def _half_trained(path: SearchPath) -> bool:
    """Whether half of the configurations along a path were trained; fewer make no figure."""
    return bool(2 * path.steps["gain"].notna().sum() >= len(path.steps))


def _along(steps: pd.DataFrame) -> str:
    gains = (number(gain, 3, signed=True) if pd.notna(gain) else "not trained" for gain in steps["gain"])
    return ", ".join(f"{plan} {gain}" for plan, gain in zip(steps["configuration"], gains, strict=True))


def plans(ablation: Ablation) -> CaptionedFigure:
    """The best plans and AutoFuse as diagrams."""
    captioned = CaptionedFigure(name="plans", title="The best plans")
    records = ablation.records
    aim = objectives_of(records)[0]
    finished = records.candidates[(records.candidates["state"] == "finished") & records.candidates["plan"].map(is_plan)]
    ranked = finished.sort_values(aim.column, ascending=not aim.more_is_better, kind="stable").drop_duplicates("plan")
    if ranked.empty:
        return replace(captioned, caption="No plan has been trained to the end: nothing is drawn.")
    shown = {str(row["plan"]): f"{_called(row)}\n{_gain(row)}" for _, row in ranked.head(DIAGRAMS - 1).iterrows()}
    reference = next(plan for plan, name in NAMED_PLANS.items() if name == "AutoFuse")
    trained = pd.concat([finished, records.related]) if len(records.related) else finished
    gains = trained[(trained["plan"] == reference) & (trained["state"] == "finished")]
    gain = f"{_gain(gains.iloc[0])}, for comparison" if len(gains) else "for comparison, not in this search"
    shown.setdefault(reference, f"{reference} (AutoFuse)\n{gain}")
    rows = -(-len(shown) // 2)
    figure = new_figure(1.75 * rows)
    axes = figure.subplots(rows, 2, squeeze=False)
    for ax, (plan, name) in zip(axes.flat, shown.items(), strict=False):
        diagram(ax, plan)
        ax.set_title("\n".join(as_label(line) for line in name.splitlines()))
    for ax in axes.flat[len(shown) :]:
        ax.set_visible(False)
    met = dict.fromkeys(symbol for plan in shown for symbol in stage_symbols(canonical(plan)) if symbol != DEAD)
    handles = [
        Line2D([], [], color=OPERATOR_COLOURS.get(symbol, GREY), marker="o", markersize=8, linestyle="none",
               label=f"{symbol}: {operator_name(symbol)}")
        for symbol in met
    ]  # fmt: skip
    handles.append(
        Line2D([], [], color=GREY, marker="s", markersize=6, linestyle="none", label="single-image features")
    )
    handles.append(Line2D([], [], color=FAINT, marker="o", markersize=5, linestyle="none", label="dead"))
    figure.legend(handles=handles, loc="outside lower left", ncols=5, fontsize=7.5)
    text = (
        f"The best {len(shown) - 1} that were trained to the end, by {aim.word}, one training each, and AutoFuse. From "
        "left to right the seven stages with their resolution; squares are the single-image features of the fixed and "
        "the moving image, circles the operators of the joint path. A coloured line: the operator reads the "
        "single-image features; one in the colour of the text: the feature is read by a later stage. Pale: dead, "
        "neither built nor computed."
    )
    return replace(
        captioned, caption=caption(text, records), alt="; ".join(reading(plan) for plan in shown), figure=figure
    )


def _called(row: "pd.Series[Any]") -> str:
    """A plan by itself: a configuration of many settings is too long for a title."""
    return f"{row['plan']} ({row['name']})" if row["name"] else str(row["plan"])


def _gain(row: "pd.Series[float]") -> str:
    return f"{number(float(row['gain']), 4, signed=True)} at step {row['step']:.0f}"


ablation_drawings = ablation_figures
"""The name that the gallery once gave."""
