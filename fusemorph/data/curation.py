"""What is known to be wrong with published data sets: tables in ``curated``, of which each line names its source.

``excluded.csv``: scans that are left out. ``same_subject.csv``: one subject under two names. ``wrong_headers.csv``:
images that do not lie as their headers say. ``overlaps.csv``: data sets that share subjects.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

from fusemorph.data.listing import Listed
from fusemorph.data.table import Row, read_table

TABLES = Path(__file__).with_name("curated")


def excluded(dataset: str) -> dict[str, str]:
    """Why a scan, or all of a subject, is left out."""
    return {row["scan"]: _sourced(row, "reason") for row in _rows("excluded", dataset)}


def same_subject(dataset: str) -> dict[str, str]:
    """The name under which a subject is kept who has two."""
    return {row["subject"]: row["is"] for row in _rows("same_subject", dataset)}


def wrong_headers(dataset: str) -> dict[str, str]:
    """What is wrong with the header of a scan's image."""
    return {row["scan"]: _sourced(row, "problem") for row in _rows("wrong_headers", dataset)}


def overlaps(dataset: str) -> dict[str, str]:
    """Other data sets that share subjects, and which."""
    found = {row["other"]: _sourced(row, "who") for row in _rows("overlaps", dataset)}
    return found | {row["dataset"]: _sourced(row, "who") for row in _table("overlaps") if row["other"] == dataset}


def curated(dataset: str, candidates: Iterable[Listed]) -> tuple[dict[str, Listed], dict[Path, str]]:
    """One scan per visit by its id, ``SUBJECT_VISIT``, and the images that are left out with the reason.

    Of several scans of one visit the first is kept; subjects with two names get one.
    """
    reasons, names = excluded(dataset), same_subject(dataset)
    scans: dict[str, Listed] = {}
    left_out: dict[Path, str] = {}
    for scan in candidates:
        scan_id = "_".join(part for part in (scan.subject, scan.visit) if part)
        if reason := reasons.get(scan_id) or reasons.get(scan.subject):
            left_out[scan.image] = reason
        elif scan_id in scans:
            left_out[scan.image] = f"is another scan of the same visit; {scans[scan_id].image} is used"
        else:
            scans[scan_id] = replace(scan, subject=names.get(scan.subject, scan.subject))
    return dict(sorted(scans.items())), left_out


def _rows(table: str, dataset: str) -> list[Row]:
    return [row for row in _table(table) if row["dataset"] == dataset]


@cache
def _table(name: str) -> list[Row]:
    columns = {
        "excluded": ("scan", "reason"),
        "same_subject": ("subject", "is"),
        "wrong_headers": ("scan", "problem"),
        "overlaps": ("other", "who"),
    }
    required = ("dataset", *columns[name], "source")
    return read_table(TABLES / f"{name}.csv", required=required, allowed=required)


def _sourced(row: Row, column: str) -> str:
    return f"{row[column]} ({row['source']})"
