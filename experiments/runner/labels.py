"""The arms of a semi-supervised study over numbers of labelled subjects, the same subjects for every arm."""

from collections.abc import Sequence
from dataclasses import replace

from experiments.study import Arm
from fusemorph.configuration import Json
from fusemorph.data.dataset import Dataset
from fusemorph.data.labelled import LABELLED
from fusemorph.data.settings import parse_setting


def label_counts(dataset: Dataset, asked: Sequence[str]) -> tuple[int, ...]:
    """The numbers of labelled subjects that were asked for, each once, the smallest first.

    Raises:
        ValueError: one that cannot be, or a data set whose labels are hidden by a setting already.
    """
    if LABELLED in dataset.settings:
        raise ValueError("--set labelled=... and --labels exclude each other")
    found = set()
    for text in asked:
        try:
            found.add(len(dataset.with_labelled(parse_setting(f"{LABELLED}={text}")[1]).labelled_subjects))
        except ValueError as error:
            raise ValueError(f"--labels {text}: {error}") from error
    return tuple(sorted(found))


def over_labels(arms: Sequence[Arm], counts: Sequence[int], *, subjects: int) -> list[Arm]:
    """Every trained arm with each number of labelled subjects that it can have, of so many ``subjects``; arms that are
    not trained as they are."""
    fixed = [arm for arm in arms if not arm.trained]
    least = {"none": 0, "some": 1, "all": subjects}
    trained = [(arm, count) for count in counts for arm in arms if arm.trained and count >= least[arm.needs_labels]]
    return [*fixed, *(_with_count(arm, count) for arm, count in trained)]


def _with_count(arm: Arm, count: int) -> Arm:
    label = f"{arm.label}, {count} labelled" if count else f"{arm.label}, unlabelled"
    return replace(arm, label=label, strategy=arm.label, group=f"{count} labelled subjects", labelled=count)


def described(dataset: Dataset, arm: Arm) -> Json:
    """What the key of an arm's trials says of the data set."""
    return (dataset if arm.labelled is None else dataset.with_labelled(arm.labelled)).configuration()
