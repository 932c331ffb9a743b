"""The figure of a semi-supervised study: what is gained by labels, with the arm without labels as the line to beat."""

from reports.analysis.comparison import Comparison
from reports.analysis.label_curve import label_curve, unsupervised_arm
from reports.figures.captioned import CaptionedFigure
from reports.plots.labels import by_labels
from reports.plots.style import new_figure, style
from reports.tables.table import caption
from reports.wording import number


def label_figure(comparison: Comparison) -> CaptionedFigure:
    """The primary metric, and segmentation Dice, by the number of labelled subjects."""
    curve, metric, base = label_curve(comparison), comparison.metric, unsupervised_arm(comparison)
    name, title = "labels", f"{metric.title} by the number of labelled subjects"
    if curve.empty:
        return CaptionedFigure(name=name, title=title, caption="No arm has a number of labelled subjects.")
    beat = curve["value"][curve["arm"] == base]
    segmented = curve["segmentation"].notna().any()
    with style():
        figure = new_figure(3.6)
        axes = figure.subplots(1, 2 if segmented else 1, squeeze=False)[0]
        by_labels(axes[0], curve, base=float(beat.iloc[0]) if len(beat) else None)
        axes[0].set_ylabel(f"{metric.label} of registration")
        if segmented:
            by_labels(axes[1], curve, prefix="segmentation_")
            axes[1].set_ylabel("Dice of predicted labels")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
    text = "Means over blocks with 95 % intervals over blocks and seeds; numbers are equally spaced, subjects nested."
    text += f" Dashed: {base}, the line to beat." if len(beat) else ""
    values = "; ".join(f"{row['arm']} {number(row['value'])}" for row in curve[["arm", "value"]].to_dict("records"))
    return CaptionedFigure(
        name=name, title=title, caption=caption(text, comparison.records),
        alt=f"Line plots of mean {metric.title} by the number of labelled subjects. {values}", figure=figure,
    )  # fmt: skip
