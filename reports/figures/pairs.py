"""The pictures of each arm's pairs, composed and captioned."""

from collections.abc import Iterator
from dataclasses import replace

from fusemorph.storage import RecordError
from reports.analysis.comparison import Comparison
from reports.figures.captioned import CaptionedFigure
from reports.plots.slices import RANKS, draw_pairs, of_pair
from reports.plots.style import style
from reports.records.files import read_pictures
from reports.tables.table import caption

MOST_PICTURED_ARMS = 12


def pictured(comparison: Comparison) -> Iterator[CaptionedFigure]:
    """Best, median and worst pair of each arm, the baseline first."""
    arms = pictured_arms(comparison)
    for place, arm in enumerate(arms):
        with style():
            yield _pairs_of(comparison, arm, place)
    if left_out := [arm for arm in comparison.arms["arm"] if arm in comparison.records.pictures and arm not in arms]:
        yield CaptionedFigure(
            name="more", title="More arms", caption=f"Recorded, but not shown here: {'; '.join(left_out)}."
        )


def pictured_arms(comparison: Comparison) -> list[str]:
    """The arms whose pairs are shown: those that have pictures, the baseline first."""
    order = [comparison.baseline, *(arm for arm in comparison.arms["arm"] if arm != comparison.baseline)]
    return [arm for arm in order if arm in comparison.records.pictures][:MOST_PICTURED_ARMS]


def _pairs_of(comparison: Comparison, arm: str, place: int) -> CaptionedFigure:
    pictures = comparison.records.pictures[arm]
    captioned = CaptionedFigure(name=f"pairs{place}", title=arm)
    try:
        stored = read_pictures(pictures.path)
    except RecordError as error:
        return replace(captioned, caption=str(error))
    slices = {rank: pair for rank in RANKS if (pair := of_pair(stored, rank)) is not None}
    if not slices:
        return replace(captioned, caption=f"{pictures.path}: holds no complete pair.")
    titles = {rank: _pair_title(rank, pictures.pairs.get(rank, {})) for rank in slices}
    aspects = {rank: aspect_of(comparison, pictures.pairs.get(rank, {})) for rank in slices}
    figure = draw_pairs(slices, titles, aspects)
    text = (
        f"Seed {pictures.seed}; ranked by Dice. Difference in units of the intensity range. Determinant of the whole "
        "field: white keeps volume, green expands, brown shrinks, black folds. The grid shows where the field takes "
        "the voxel grid, within the slice. Outlines on the fixed image: fixed labels blue, warped labels orange."
    )
    pairs = "; ".join(title.replace("\n", ", ") for title in titles.values())
    alt = f"Slices of {pairs} for {arm}: fixed, moving, warped, difference, deformed grid, determinant, label outlines"
    return replace(captioned, caption=caption(text, comparison.records), alt=alt, figure=figure)


def _pair_title(rank: str, about: dict[str, object]) -> str:
    dice = about.get("dice")
    lines = [rank, str(about.get("pair", "")).replace("<-", "\n← ")]
    lines += [f"Dice {dice:.3f}"] if isinstance(dice, float) else []
    return "\n".join(line for line in lines if line)


def aspect_of(comparison: Comparison, about: dict[str, object]) -> float:
    """Height of a pixel over its width, from the spacing of the two axes in the slice."""
    spacing, axis = comparison.records.dataset.get("spacing_mm"), about.get("axis")
    if not isinstance(spacing, list) or not all(isinstance(side, int | float) and side > 0 for side in spacing):
        return 1.0
    inside = [side for number, side in enumerate(spacing) if len(spacing) == 2 or number != axis]
    return min(20.0, max(0.05, inside[1] / inside[0])) if len(inside) == 2 else 1.0
