"""Which scans are compared: evaluation pairs, their blocks of subjects, and subjects kept within one split."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from fusemorph.data.errors import DataError


def mirrored_pairs(scan_ids: Sequence[str], subject: Callable[[str], str]) -> list[tuple[str, str]]:
    """The i-th scan with the i-th from last, in both orders, less pairs of one subject.

    Source: the evaluation pairs of Learn2Reg 2020, task 4.
    """
    opposite = zip(scan_ids, reversed(scan_ids), strict=True)
    return [(fixed, moving) for fixed, moving in opposite if subject(fixed) != subject(moving)]


def pairs_within(scan_ids: Sequence[str], subject: Callable[[str], str]) -> list[tuple[str, str]]:
    """All ordered pairs of two scans of one subject."""
    of_subject: dict[str, list[str]] = defaultdict(list)
    for scan_id in scan_ids:
        of_subject[subject(scan_id)].append(scan_id)
    return [(fixed, moving) for fixed in scan_ids for moving in of_subject[subject(fixed)] if moving != fixed]


def connected_blocks(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """The block of each pair of subjects: connected components, numbered ``01`` on by first appearance."""
    root: dict[str, str] = {}

    def find(subject: str) -> str:
        path = [subject]
        while (above := root.setdefault(path[-1], path[-1])) != path[-1]:
            path.append(above)
        root.update(dict.fromkeys(path, path[-1]))  # else a long chain is walked again and again
        return path[-1]

    for first, second in pairs:
        root[find(second)] = find(first)
    number: dict[str, str] = {}
    return [number.setdefault(find(first), f"{len(number) + 1:02d}") for first, _ in pairs]


def check_subjects(members: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse a subject in two splits.

    Raises:
        DataError: naming the subject, the splits and a scan in each.
    """
    seen: dict[str, tuple[str, str]] = {}
    for split, subjects in members.items():
        for scan_id, subject in subjects.items():
            first_split, first_scan = seen.setdefault(subject, (split, scan_id))
            if first_split != split:
                raise DataError(
                    f"{scan_id}: subject {subject!r} is in {split}, and in {first_split} with scan {first_scan}; "
                    "a subject must stay in one split"
                )
