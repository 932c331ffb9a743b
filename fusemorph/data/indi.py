"""What the sets of the International Neuroimaging Data-sharing Initiative share (ABIDE, ADHD-200): ids, sites, tables.

An id has several spellings (50952, 0050952, NYU_50952), so that ids are compared as numbers.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from fusemorph.data.brain import BrainDataset, BrainSettings, brain_listing
from fusemorph.data.listing import Listed, Listing
from fusemorph.data.table import check_ids, read_table
from fusemorph.data.walk import Found, Layout, bids, find_images, find_tables, runs_in_order

DIGITS = 7
# Source: the INDI buckets (RawData/SITE/ID/session_1/anat_1) and the downloads of NITRC, read from public loaders.
SESSIONS = Layout(
    name="INDI",
    pattern=r"(?P<site>[^/]+)/(?P<subject>[0-9]{5,7})/session_(?P<session>[0-9]+)/anat_(?P<run>[0-9]+)"
    r"/mprage(?:_anonymized)?\.nii(?:\.gz)?",
)
NOT_SITES = frozenset({"rawdata", "RawData", "RawDataBIDS", "bids", "BIDS"})


class IndiDataset(BrainDataset):
    """Anatomical scans without labels, in the layouts of INDI and BIDS and one of NITRC of its own.

    ``table``: a pattern of the names of phenotypic tables, whose ``site_column`` gives the site of ``id_column`` where
    the path does not.
    """

    nitrc: ClassVar[Layout]
    table: ClassVar[str]
    id_column: ClassVar[str]
    site_column: ClassVar[str]

    def _listed(self, folder: Path, options: BrainSettings, cache: Path) -> Listing:
        found = find_images(folder, (self.nitrc, SESSIONS, bids("T1w")), dataset=self.name)
        sites: dict[int, str] = {}
        for path in find_tables(folder, self.table):
            rows = read_table(path, required=(self.id_column,), allowed=None)
            check_ids(path, rows, self.id_column, form="[0-9]{5,7}", like="0050952")
            sites |= {int(row[self.id_column]): row.get(self.site_column, "") for row in rows}
        scans = [_listed(image, sites) for image in runs_in_order(found)]
        return brain_listing(self.name, folder, scans, options, layout=found[0].layout)


def _listed(image: Found, sites: Mapping[int, str]) -> Listed:
    number = int(image["subject"])
    above = "" if image["above"] in NOT_SITES else image["above"]
    return Listed(
        image=image.path,
        subject=f"{number:0{DIGITS}d}",
        site=image["site"] or above or sites.get(number, ""),
        visit=str(int(image["session"] or "1")) if (image["session"] or "1").isdigit() else image["session"],
    )
