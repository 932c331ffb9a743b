"""What a page can do with a drawn thing: which arms it is of, and what each of its points says.

The words travel through matplotlib as the artist's ``gid`` and stand in the SVG as ``data-`` attributes. Pictures of
other formats do not have them.
"""

import html
import json
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote, unquote

from matplotlib.artist import Artist

from fusemorph.text import printable

_MARK_PREFIX = "mark:"


def mark(artists: Artist | Iterable[Artist], arm: object, *, other: object = "", tooltips: Sequence[str] = ()) -> None:
    """Say that ``artists`` belong to ``arm``, and to ``other`` where they compare two arms.

    ``tooltips``: the text of each of their points, in the order in which they are drawn; a tab separates it from the
    seed of the trial that a click leads to.
    """
    facts = {
        "arm": str(arm),
        **({"other": str(other)} if other else {}),
        **({"tooltips": list(tooltips)} if tooltips else {}),
    }
    for artist in [artists] if isinstance(artists, Artist) else artists:
        artist.set_gid(_MARK_PREFIX + quote(json.dumps(facts)))


def as_attributes(document: str) -> str:
    """An SVG document with marks as ``data-arm``, ``data-other`` and ``data-tooltips``."""
    return re.sub(rf'\bid="{_MARK_PREFIX}([^"]*)"', _attributes, document)


def _attributes(found: re.Match[str]) -> str:
    facts = json.loads(unquote(found.group(1)))
    tooltips = facts.pop("tooltips", None)
    facts |= {"tooltips": json.dumps(tooltips, ensure_ascii=False, separators=(",", ":"))} if tooltips else {}
    return " ".join(f'data-{name}="{html.escape(printable(text))}"' for name, text in facts.items())
