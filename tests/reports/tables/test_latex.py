"""Tables in LaTeX: booktabs, every sign escaped, as many cells in a row as there are columns."""

import re
from pathlib import Path

import pandas as pd
import pytest

from reports.tables.latex import booktabs, escape
from reports.tables.table import Table
from reports.wording import share


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("95 % interval", r"95 \% interval"),
        ("R&D #1 {a_b}", r"R\&D \#1 \{a\_b\}"),
        ("a\\b ~ x^2 $5", r"a\textbackslash{}b \textasciitilde{} x\textasciicircum{}2 \$5"),
        ("−0.012 ± 0.003", r"$-$0.012 $\pm$ 0.003"),
        ("< 0.001", r"\textless{} 0.001"),
        ("0.7 †", r"0.7 \textsuperscript{\textdagger}"),
        ("251<-400", r"251\textless{}-400"),
        ("χ² / 10⁻⁴", r"$\chi$$^{2}$ / 10$^{-4}$"),
    ],
)
def test_signs_are_escaped(text: str, latex: str) -> None:
    assert escape(text) == latex


def test_whole_table() -> None:
    text = booktabs(
        ["Arm", "Mean"],
        [["early", "0.700"], ["late_2", "0.650"], ["identity", "−1"]],
        caption="Dice & more",
        label="tab:x",
        right=[False, True],
        groups=["widths", "widths", "floor"],
        marked=[True, False, False],
    )
    assert text == "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            r"  \caption{Dice \& more}",
            r"  \label{tab:x}",
            r"  \begin{tabular}{lr}",
            r"    \toprule",
            r"    Arm & Mean \\",
            r"    \midrule",
            r"    \multicolumn{2}{l}{\emph{widths}} \\",
            r"    \textbf{early} & \textbf{0.700} \\",
            r"    late\_2 & 0.650 \\",
            r"    \addlinespace",
            r"    \multicolumn{2}{l}{\emph{floor}} \\",
            r"    identity & $-$1 \\",
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def made(columns: int, letters: int) -> str:
    names = [f"Column {number}" for number in range(columns)]
    return booktabs(names, [["x" * letters] * columns], caption="c", label="l", right=[True] * columns)


def test_a_wide_table_spans_two_columns_and_is_smaller_where_these_are_not_enough() -> None:
    assert made(3, 5).startswith("\\begin{table}\n")
    wide, wider = made(7, 10), made(12, 12)
    assert wide.startswith("\\begin{table*}\n")
    assert wide.rstrip().endswith(r"\end{table*}")
    assert "scriptsize" not in wide
    assert "scriptsize" in wider


def test_a_table_without_rows_leaves_no_latex(tmp_path: Path) -> None:
    empty = pd.DataFrame({"Arm": [], "Dice": []})
    (tmp_path / "t.tex").write_text("of an earlier report")
    Table(title="Dice", caption="None.", numbers=empty, shown=empty).write(tmp_path, "t")
    assert not (tmp_path / "t.tex").exists()
    assert (tmp_path / "t.md").is_file()


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.0024, "2.4e-3"), (2.14e-4, "2.1e-4"), (0.031, "0.031"), (1e-12, "1.0e-12")]
)
def test_small_fractions_read_as_in_a_paper(value: float, text: str) -> None:
    assert share(value) == text
    assert escape(share(value)) == text


def test_a_table_is_written_three_ways(tmp_path: Path) -> None:
    numbers = pd.DataFrame({"arm": ["a & b"], "dice": [0.70049]})
    shown = pd.DataFrame({"Arm": ["a & b"], "Dice": ["0.700"]})
    Table(title="Dice", caption="Of 100 % of pairs.", numbers=numbers, shown=shown).write(tmp_path, "study_dice")
    assert pd.read_csv(tmp_path / "study_dice.csv")["dice"].to_list() == [0.70049]
    assert "| a & b | 0.700 |" in (tmp_path / "study_dice.md").read_text()
    latex = (tmp_path / "study_dice.tex").read_text()
    assert r"\caption{Dice. Of 100 \% of pairs.}" in latex
    assert r"\label{tab:study_dice}" in latex
    assert all(len(re.findall(r"(?<!\\)&", line)) == 1 for line in latex.splitlines() if line.endswith(r" \\"))
