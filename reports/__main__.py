"""``python -m reports RUNS [RUNS ...] --out DIR``: the report of what is recorded there."""

import argparse
import os
import sys
from collections.abc import Sequence

from fusemorph.paths import path_argument
from fusemorph.text import printable
from reports.records import NothingToReportError
from reports.tables.terminal import show_all_characters


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report and say where it is; 0 when written, 2 for a wrong call."""
    call = parser().parse_args(arguments)
    show_all_characters()
    # Figures go into files alone, whatever a notebook or a desktop has set.
    os.environ["MPLBACKEND"] = "agg"
    from reports.page.report import write_report

    try:
        page = write_report(
            call.runs,
            call.out,
            study=call.study,
            baseline=call.baseline,
            primary=call.primary,
            dataset=call.dataset,
            margin=call.equivalence,
            width=call.width,
            font=call.font,
        )
    except NothingToReportError as error:
        print(f"python -m reports: {printable(str(error))}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"python -m reports: cannot write to {call.out}: {error}", file=sys.stderr)
        return 2
    print(page)
    return 0


def parser() -> argparse.ArgumentParser:
    """The options of a report."""
    made = argparse.ArgumentParser(prog="python -m reports", description="Draw a report from the records of trials.")
    made.add_argument("runs", nargs="+", type=path_argument, metavar="RUNS", help="folder of runs; several are joined")
    made.add_argument("--out", required=True, type=path_argument, metavar="DIR", help="folder of the report")
    made.add_argument("--study", metavar="NAME", help="only this study (default: all in RUNS)")
    made.add_argument("--baseline", metavar="ARM", help="the arm that others are compared with (default: the study's)")
    made.add_argument("--primary", metavar="METRIC", help="the metric that arms are judged by (default: dice)")
    made.add_argument("--dataset", metavar="NAME", help="only studies on this data set (default: all in RUNS)")
    made.add_argument(
        "--equivalence",
        type=float,
        metavar="MARGIN",
        help="differences of less than this, in the primary metric, are of no practical importance: arms that two "
        "one-sided tests place within it are called level (default: none is)",
    )
    made.add_argument(
        "--width",
        choices=("page", "column", "two-columns"),
        default="page",
        help="width of figures: the page's, one column of a journal, or two columns",
    )
    made.add_argument(
        "--font", choices=("sans", "serif", "dejavu"), default="sans", help="font of figures (default: sans)"
    )
    return made


if __name__ == "__main__":
    sys.exit(main())
