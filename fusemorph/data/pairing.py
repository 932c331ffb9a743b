"""Which scans are compared: evaluation pairs, their blocks of persons, and persons kept within one split."""

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations

from fusemorph.data.errors import DataError


def mirrored_pairs(scan_ids: Sequence[str], person: Callable[[str], str]) -> list[tuple[str, str]]:
    """The i-th scan with the i-th from last, in both orders, less pairs of one person.

    Source: the evaluation pairs of Learn2Reg 2020, task 4.
    """
    opposite = zip(scan_ids, reversed(scan_ids), strict=True)
    return [(fixed, moving) for fixed, moving in opposite if person(fixed) != person(moving)]


def pairs_within(scan_ids: Sequence[str], person: Callable[[str], str]) -> list[tuple[str, str]]:
    """All ordered pairs of two scans of one person."""
    return [(fixed, moving) for fixed, moving in permutations(scan_ids, 2) if person(fixed) == person(moving)]


def connected_blocks(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """The block of each pair of persons: connected components, numbered ``01`` on by first appearance."""
    root: dict[str, str] = {}

    def find(person: str) -> str:
        while root.setdefault(person, person) != person:
            person = root[person]
        return person

    for first, second in pairs:
        root[find(second)] = find(first)
    number: dict[str, str] = {}
    return [number.setdefault(find(first), f"{len(number) + 1:02d}") for first, _ in pairs]


def check_persons(members: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse a person in two splits.

    Raises:
        DataError: naming the person, the splits and a scan in each.
    """
    seen: dict[str, tuple[str, str]] = {}
    for split, persons in members.items():
        for scan_id, person in persons.items():
            first_split, first_scan = seen.setdefault(person, (split, scan_id))
            if first_split != split:
                raise DataError(
                    f"{scan_id}: person {person!r} is in {split}, and in {first_split} with scan {first_scan}; "
                    "a person must stay in one split"
                )
