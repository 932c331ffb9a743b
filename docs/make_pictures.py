"""Make the pictures of README and tutorials: ``python docs/make_pictures.py``, from the root of the checkout.

The top of a report, photographed by Debian's Chromium, and the figure of the tutorial on figures; of committed numbers,
without an image of anybody.
"""

import re
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib as mpl
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from reports.page import write_report  # noqa: E402

FIGURE = ROOT / "docs" / "tutorials" / "figure-for-a-paper.md"
QUICKSTART = ROOT / "experiments" / "results" / "quickstart"

RECORDS = ROOT / "experiments" / "results" / "fusion-c2f"
STUDY = "fusion-hippocampus-quick"
SIZE = (1180, 1000)
COLOURS = 64


def main() -> None:
    """Write ``docs/pictures``."""
    pictures = ROOT / "docs" / "pictures"
    pictures.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        page = write_report([RECORDS], Path(folder), study=STUDY)
        photograph(page, pictures / "report.png")
    draw_figure(pictures)


def draw_figure(folder: Path) -> None:
    """The figure of the tutorial, by its own lines, of the committed records of the quickstart."""
    load, draw = re.findall(r"```python\n(.*?)```", FIGURE.read_text(encoding="utf-8"), flags=re.DOTALL)[:2]
    with chdir(folder):
        exec(load.replace('"runs"', repr(str(QUICKSTART))) + draw, {})


def photograph(page: Path, out: Path) -> None:
    """The top of a page as a PNG of few colours."""
    size = ",".join(map(str, SIZE))
    call = ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={size}"]
    subprocess.run([*call, f"--screenshot={out}", page.as_uri()], check=True, capture_output=True)
    with Image.open(out) as taken:
        few = taken.convert("RGB").quantize(COLOURS)
    few.save(out, optimize=True)


if __name__ == "__main__":
    mpl.use("agg")
    main()
