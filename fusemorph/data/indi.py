"""What the sets of the International Neuroimaging Data-sharing Initiative share (ABIDE, ADHD-200): ids, sites, tables.

An id has several spellings (50952, 0050952, NYU_50952), so that ids are compared as numbers.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fusemorph.data.listing import Listed
from fusemorph.data.table import check_ids, read_table
from fusemorph.data.walk import Found, Layout, bids, find_images, runs_in_order

DIGITS = 7
# Source: the INDI buckets (RawData/SITE/ID/session_1/anat_1) and the downloads of NITRC, read from public loaders.
SESSIONS = Layout(
    name="INDI",
    pattern=r"(?P<site>[^/]+)/(?P<subject>[0-9]{5,7})/session_(?P<session>[0-9]+)/anat_(?P<run>[0-9]+)"
    r"/mprage(?:_anonymized)?\.nii(?:\.gz)?",
)
NOT_SITES = frozenset({"rawdata", "RawData", "RawDataBIDS", "bids", "BIDS"})


def list_indi(
    folder: Path, layouts: Sequence[Layout], *, dataset: str, table: str, id_column: str, site_column: str
) -> tuple[list[Listed], str]:
    """The anatomical scans of a folder in the order of subject, session and run, and the layout.

    ``table``: a pattern of the names of phenotypic tables, which give the site where the path does not.

    Raises:
        DataError: of ``find_images``; a table whose ids are none.
    """
    found = find_images(folder, (*layouts, SESSIONS, bids("T1w")), dataset=dataset)
    sites = _sites(folder, table, id_column=id_column, site_column=site_column)
    return [_listed(image, sites) for image in runs_in_order(found)], found[0].layout


def _listed(image: Found, sites: Mapping[int, str]) -> Listed:
    number = int(image["subject"])
    above = "" if image["above"] in NOT_SITES else image["above"]
    return Listed(
        image=image.path,
        subject=f"{number:0{DIGITS}d}",
        site=image["site"] or above or sites.get(number, ""),
        visit=str(int(image["session"] or "1")) if (image["session"] or "1").isdigit() else image["session"],
    )


def _sites(folder: Path, table: str, *, id_column: str, site_column: str) -> dict[int, str]:
    sites: dict[int, str] = {}
    for path in _tables(folder, table):
        rows = read_table(path, required=(id_column,), known=None)
        check_ids(path, rows, id_column, form="[0-9]{5,7}", like="0050952")
        sites |= {int(row[id_column]): row.get(site_column, "") for row in rows}
    return sites


def _tables(folder: Path, table: str) -> Iterable[Path]:
    return sorted({*folder.glob(table), *folder.glob(f"*/{table}")})
