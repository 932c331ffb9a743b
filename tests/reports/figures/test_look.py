"""Figures fit the page of a paper: its column, its fonts, its height; text is text in SVG and PDF."""

import re
import zlib
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from reports.analysis.comparison import Comparison, compare_studies
from reports.figures.study import study_figures
from reports.plots.marks import as_attributes, mark
from reports.plots.style import FONTS, MOST_HEIGHT, WIDTHS, look, new_figure, save, style
from tests.reports.records_fixture import Arm, Records, write_records


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Eleven trained arms."""
    folder = tmp_path_factory.mktemp("look")
    arms = tuple(Arm(label=f"arm {n}", plan=f"p{n}", dice=0.7 + n / 100, roughness=0.1) for n in range(10))
    write_records(folder, Records(arms=(Arm(label="AutoFuse", plan="ggggggg", dice=0.7), *arms), seeds=1))
    return compare_studies([folder])[0]


@pytest.mark.parametrize("width", WIDTHS)
def test_every_figure_has_the_width_asked_for_and_fits_a_page(many: Comparison, width: str) -> None:
    with look(width=width):
        drawn = [captioned.figure for captioned in study_figures(many) if captioned.figure is not None]
    assert len(drawn) >= 4
    for figure in drawn:
        assert figure.get_figwidth() == WIDTHS[width]
        assert figure.get_figheight() <= MOST_HEIGHT + 1.5  # with a legend above it


def test_panels_stand_below_each_other_in_a_column(many: Comparison) -> None:
    with look(width="column"):
        price = next(captioned.figure for captioned in study_figures(many) if captioned.name == "price")
    assert price is not None
    assert len({round(ax.get_position().x0, 3) for ax in price.axes}) == 1


def test_unknown_looks_are_refused() -> None:
    with (
        pytest.raises(ValueError, match=r"look\(\): 'width' must be of page, column, two-columns, got 'wide'"),
        look(width="wide"),
    ):
        pass


@pytest.mark.parametrize("font", FONTS)
def test_text_is_text_in_the_font_asked_for(tmp_path: Path, font: str) -> None:
    with look(font=font), style():
        figure = new_figure(1.0)
        figure.text(0.1, 0.5, "Dice of a pair")
        document = save(figure, tmp_path, "figure")
    assert "Dice of a pair</text>" in document
    assert any(name in document for name in FONTS[font])
    pdf = (tmp_path / "figure.pdf").read_bytes()
    assert b"/FontFile2" in pdf
    found = re.findall(rb"stream\n(.*?)endstream", pdf, re.DOTALL)
    drawn = b"".join(map(zlib.decompress, found))
    assert b"TJ" in drawn or b"Tj" in drawn


def test_marks_stand_in_the_svg_as_data_and_nowhere_else(tmp_path: Path) -> None:
    with style():
        figure = Figure()
        (line,) = figure.subplots().plot([0, 1], [0, 1], "o")
        mark(line, 'a "quoted" <arm>', other="b", tooltips=["one: 0.5\t0", "two"])
        document = save(figure, tmp_path, "figure")
    assert 'data-arm="a &quot;quoted&quot; &lt;arm&gt;" data-other="b"' in document
    assert "data-tooltips=" in document
    assert "mark:" not in document
    assert as_attributes(document) == document
