"""A trial with what a machine needs to run it, and the data sets that it is evaluated or selects on beside its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from fusemorph.catalogue import folders
from fusemorph.configuration import Json, Trial
from fusemorph.data import DataError, open_dataset
from fusemorph.data.dataset import Dataset
from fusemorph.data.settings import SELECT_ON
from fusemorph.grid import Mode
from fusemorph.records import TrialFolder
from fusemorph.storage import RecordError, read_json
from fusemorph.trials.checkpoint import Row


def evaluation_name(split: str, label_warp: Mode) -> str:
    """What the folder of an evaluation is called below ``eval``: the split, and the way of warping labels if another
    one than linear."""
    return split if label_warp == "linear" else f"{split}-{label_warp}"


@dataclass(frozen=True, kw_only=True)
class OtherData:
    """A split of another data set: its configuration, with the fingerprint, and where its files lie.

    Its evaluation goes to ``eval/DATASET-SPLIT``, beside those of the trial's own data. It is no part of the trial's
    key, which says what was trained.
    """

    dataset: Json
    split: str
    data: Path | None = None
    label_warp: Mode = "linear"

    @property
    def folder(self) -> str:
        """``DATASET-SPLIT``: the name of its folder below ``eval``."""
        return evaluation_name(f"{self.dataset['name']}-{self.split}", self.label_warp)

    def open(self, cache: Path | None) -> Dataset:
        """The data set.

        Raises:
            DataError: the files are not those that the evaluation was planned with.
        """
        return open_planned(self.dataset, self.data, cache=cache)

    def evaluated(self, folder: TrialFolder) -> bool:
        """Whether the trial has been evaluated on it.

        Raises:
            RecordError: the evaluation is damaged, or is of other files or settings under the same name.
        """
        if not folder.evaluated(self.folder):
            return False
        path = folder.path / "eval" / self.folder / "summary.json"
        if read_json(path).get("dataset") != self.dataset:
            raise RecordError(
                f"{path} is of {self.dataset['name']} with other files or settings; move its folder away to evaluate "
                "again, or use other --runs"
            )
        return True

    def facts(self, trained_on: Json) -> Json:
        """What the summary says beside its metrics: the data set that was measured, and the one trained on."""
        return {"dataset": self.dataset, "trained_on": {name: trained_on[name] for name in ("name", "fingerprint")}}


def open_planned(
    configuration: Mapping[str, object], data: Path | None, *, cache: Path | None, selection: Path | None = None
) -> Dataset:
    """The data set that a configuration describes; ``selection``: where the files lie of the set that it selects on.

    Raises:
        DataError: its files are not those of the configuration's fingerprint.
    """
    settings = dict(configuration)
    name, fingerprint, select_on = (settings.pop(part, None) for part in ("name", "fingerprint", SELECT_ON))
    dataset = open_dataset(str(name), data, cache=cache, **settings)
    if dataset.fingerprint() != fingerprint:
        raise DataError(f"{dataset.name}: the files in {data} have changed since the trial was planned")
    if not isinstance(select_on, dict):
        return dataset
    return dataset.selecting_on(open_planned(select_on, selection, cache=cache))


@runtime_checkable
class StopRule(Protocol):
    """Asked after each validation, with the run folder and the history so far, for a reason to stop a trial early.

    ``study``: the name of the study whose rule it is.
    """

    @property
    def study(self) -> str: ...

    def __call__(self, runs: Path, history: Sequence[Row], /) -> str | None: ...


@dataclass(frozen=True, kw_only=True)
class Job:
    """A trial with what a machine needs to run it: where the data lie, what to evaluate, with how many threads.

    ``selection``: where the files lie of another data set that it selects on; ``others``: splits of other data sets
    that it is evaluated on, too.
    ``devices``: over how many devices it is trained, from ``device`` on, each of which computes as many pairs of a
    batch. ``checkpointing``: activations are computed again in the backward pass, which saves memory and changes no
    number.
    ``stop`` is the rule that may end the trial early. ``label_warp``: how its evaluations warp moving labels.
    ``label`` and ``work`` are for displays of progress: what the trial is called, and how much there is to compute.
    ``owner``: what its claim is signed with; ``lost``: signatures of workers that were lost at it. Both are the
    dispatcher's.
    ``entries``: folders outside the project that the trial's method and data set may come from, by default those that
    this process searches.
    """

    trial: Trial
    data: Path | None
    cache: Path | None
    splits: tuple[str, ...]
    threads: int = 1
    device: str = "cpu"
    devices: int = 1
    checkpointing: bool = False
    stop: StopRule | None = None
    label: str = ""
    work: float = 1.0
    entries: tuple[Path, ...] = field(default_factory=folders)
    selection: Path | None = None
    others: tuple[OtherData, ...] = ()
    label_warp: Mode = "linear"
    owner: str = field(default="", compare=False)
    lost: tuple[str, ...] = field(default=(), compare=False)

    def evaluation(self, split: str) -> str:
        """What the folder of the evaluation on one of its own splits is called."""
        return evaluation_name(split, self.label_warp)

    def open_dataset(self) -> Dataset:
        """The trial's dataset; its settings are those of the configuration.

        Raises:
            DataError: the files are not those that the trial was planned with.
        """
        return open_planned(self.trial.dataset, self.data, cache=self.cache, selection=self.selection)
