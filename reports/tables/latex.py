"""A table as LaTeX: booktabs, text escaped, signs that plain LaTeX sets."""

import re
from collections.abc import Sequence

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "\N{MINUS SIGN}": "$-$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{DAGGER}": r"\textsuperscript{\textdagger}",
    "\N{GREEK SMALL LETTER CHI}": r"$\chi$",
    "\N{LEFTWARDS ARROW}": r"$\leftarrow$",
    "\N{RIGHTWARDS ARROW}": r"$\rightarrow$",
    "\N{LEFT DOUBLE QUOTATION MARK}": "``",
    "\N{RIGHT DOUBLE QUOTATION MARK}": "''",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
    "\N{NO-BREAK SPACE}": "~",
}  # fmt: skip
COLUMN_CHARACTERS, PAGE_CHARACTERS = 60, 110
"""What a line of a table holds in one column and over two, set in the type of the text."""
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def escape(text: str) -> str:
    """Text that LaTeX sets as it reads, whatever signs are in it."""
    escaped = "".join(_ESCAPED.get(sign, sign) for sign in text)
    return re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda match: f"$^{{{match.group().translate(_SUPERSCRIPTS)}}}$", escaped)


def booktabs(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    caption: str,
    label: str,
    right: Sequence[bool],
    groups: Sequence[str] = (),
    marked: Sequence[bool] = (),
) -> str:
    """A floating table; ``right`` says which columns are numbers, ``groups`` and ``marked`` are of the rows.

    A table that is wider than a column of a journal spans both, in smaller type where it is wider than these.
    """
    width = sum(max(len(cell) for cell in (column, *cells)) + 2 for column, *cells in zip(columns, *rows, strict=True))
    kind = "table*" if width > COLUMN_CHARACTERS else "table"
    small = [r"  \scriptsize", r"  \setlength{\tabcolsep}{3pt}"] if width > PAGE_CHARACTERS else []
    lines = [
        rf"\begin{{{kind}}}",
        *small,
        r"  \centering",
        rf"  \caption{{{escape(caption)}}}",
        rf"  \label{{{label}}}",
        rf"  \begin{{tabular}}{{{''.join('r' if is_right else 'l' for is_right in right)}}}",
        r"    \toprule",
        f"    {_line(columns)}",
        r"    \midrule",
    ]
    for number, row in enumerate(rows):
        if groups and (number == 0 or groups[number] != groups[number - 1]):
            lines += [r"    \addlinespace"] if number else []
            lines.append(rf"    \multicolumn{{{len(columns)}}}{{l}}{{\emph{{{escape(groups[number])}}}}} \\")
        lines.append(f"    {_line(row, bold=bool(marked) and marked[number])}")
    return "\n".join([*lines, r"    \bottomrule", r"  \end{tabular}", rf"\end{{{kind}}}", ""])


def _line(cells: Sequence[str], *, bold: bool = False) -> str:
    escaped = [escape(str(cell).strip()) for cell in cells]
    set_bold = [rf"\textbf{{{cell}}}" if bold and cell else cell for cell in escaped]
    return " & ".join(set_bold) + r" \\"
