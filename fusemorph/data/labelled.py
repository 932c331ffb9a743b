"""Which training subjects count as labelled: a number or a share of them in a fixed order, or a list.

The order follows from the subjects' names alone, so that smaller choices are within larger ones, whatever the seed of
training.
"""

import hashlib
import re
from collections.abc import Collection, Sequence
from typing import Any

LABELLED = "labelled"
"""What the setting is called in every data set."""


def choose_labelled(asked: Any, *, having: Collection[str], subjects: Collection[str], dataset: str) -> tuple[str, ...]:
    """The subjects that ``asked`` chooses among those ``having`` labels, in the fixed order.

    ``asked``: a whole number of subjects, a share of all ``subjects`` (a number with a point, at most 1, or ``10%``),
    or the names of some.

    Raises:
        ValueError: none of these, more than there are, or a share or number other than 0 that leaves none.
    """
    if isinstance(asked, str) and "%" not in asked:
        asked = [name.strip() for name in asked.split(",")]
    if isinstance(asked, list | tuple):
        return _named(asked, having=having, subjects=subjects, dataset=dataset)
    count = _count(asked, len(subjects), dataset)
    if count and not having:
        raise ValueError(f"{dataset}: 'labelled' must be 0, got {asked!r}: no subject of train has labels")
    if count > len(having):
        raise ValueError(f"{dataset}: 'labelled' must be at most the {len(having)} subjects of train with labels, "
                         f"got {asked!r}, which are {count}")  # fmt: skip
    return in_order(having)[:count]


def in_order(subjects: Collection[str]) -> tuple[str, ...]:
    """The subjects in the order in which they are labelled."""
    return tuple(sorted(subjects, key=lambda name: (hashlib.sha256(name.encode()).hexdigest(), name)))


def _count(asked: Any, subjects: int, dataset: str) -> int:
    """How many subjects a number or a share is."""
    share = asked
    if isinstance(asked, str) and (percent := re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%", asked)):
        share = float(percent[1]) / 100
    if type(share) is int and share >= 0:
        return share
    if type(share) is not float or not 0 <= share <= 1:
        raise ValueError(
            f"{dataset}: 'labelled' must be a number of subjects, a share such as 10%, or a list of subjects, "
            f"got {asked!r}"
        )
    count = round(share * subjects)
    if share and not count:
        raise ValueError(
            f"{dataset}: 'labelled' must leave a labelled subject or be 0, got {asked!r} of {subjects} subjects"
        )
    return count


def _named(
    names: Sequence[Any], *, having: Collection[str], subjects: Collection[str], dataset: str
) -> tuple[str, ...]:
    wanted = {str(name) for name in names}
    if unknown := sorted(wanted - set(subjects)):
        raise ValueError(f"{dataset}: 'labelled' must list subjects of train, {', '.join(unknown)} is none")
    if without := sorted(wanted - set(having)):
        raise ValueError(f"{dataset}: 'labelled' must list subjects with labels, {', '.join(without)} has none")
    if not wanted:
        raise ValueError(f"{dataset}: 'labelled' must list at least one subject, or be 0")
    return in_order(wanted)
