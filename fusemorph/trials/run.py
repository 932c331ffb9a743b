"""Running one trial from its configuration to its files: train, evaluate, record. What every driver calls."""

import logging
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from fusemorph.catalogue import add_folders
from fusemorph.complexity import describe
from fusemorph.configuration import Budget, Json, Trial
from fusemorph.data import DataError
from fusemorph.data.dataset import Dataset
from fusemorph.machine import commit, describe_machine
from fusemorph.method import Method, PairFailed, load_method
from fusemorph.precision import computed_in, convolution_path
from fusemorph.records import TrialFolder, history_of, read_record
from fusemorph.storage import DamagedFile, RecordError, StorageError, read_table
from fusemorph.trials.checkpoint import Row, checkpoint_damage
from fusemorph.trials.claims import Claim, TakenOver, take_claim
from fusemorph.trials.evaluation import evaluate
from fusemorph.trials.interruption import Interruption
from fusemorph.trials.job import Job
from fusemorph.trials.load import load_network, load_weights
from fusemorph.trials.replicas import ReplicaDied, sharing
from fusemorph.trials.step import TrainingFailed
from fusemorph.trials.training import Trained, train

LOG = logging.getLogger(__name__)


def run_job(job: Job, runs: Path, *, interruption: Interruption | None = None) -> str | None:
    """Do what is missing of a trial and return its status; None if another process holds the claim.

    A finished trial is only evaluated on splits that lack it. A trial that cannot be trained ends as ``failed`` with
    its reason; after any other error it can be continued. An ``interruption`` of the training leaves a checkpoint.

    Raises:
        StorageError: the storage refused a write.
        ReplicaDied: a process that computed a part of the training was killed.
        DataError, RecordError: data or run folder are unusable; the claim is released.
        ValueError: a folder of entries that the job names is not there.
        SystemExit: this process was asked to stop; the claim is released.
        Exception: the evaluation of a finished trial failed.
    """
    add_folders(job.entries)
    folder = TrialFolder(runs, job.trial)
    if not is_missing(job, runs):
        return folder.status()
    torch.set_num_threads(job.threads)
    commit()  # what is checked out now is what runs, whatever is committed meanwhile
    started = datetime.now(UTC)
    if (claim := take_claim(folder.path, owner=job.owner, lost=job.lost)) is None:
        return None
    with claim:  # at once: who is stopped in between leaves a claim behind
        try:
            _do_missing(job, folder, claim=claim, started=started, interruption=interruption or Interruption())
            folder.forget_given_up()
            return folder.status()
        except TakenOver:
            return None
        except Exception as error:
            if not claim.in_force():  # whatever went wrong: the other process has tidied up, or has ended the trial
                return None
            if isinstance(error, (DataError, RecordError)):
                unfinished: BaseException = error
            elif isinstance(error, (StorageError, ReplicaDied)) or folder.status() not in (None, "running"):
                raise
            else:
                expected = isinstance(error, (TrainingFailed, PairFailed))
                reason = str(error) if expected else f"{type(error).__name__}: {error}"
                folder.fail(reason, measured=_measured(job, started))
                return folder.status()
        except SystemExit as error:
            unfinished = error
    raise unfinished


def is_missing(job: Job, runs: Path) -> bool:
    """Whether a trial or one of its evaluations is still to be done; one whose record is damaged is.

    Raises:
        RecordError: its folder cannot be read, or was made by another version.
    """
    folder = TrialFolder(runs, job.trial)
    try:
        status = folder.status()
    except DamagedFile:
        return True
    if status == "failed" or (status == "pruned" and stays_stopped(job, runs)):
        return False
    done = (
        *(folder.evaluated(job.evaluation(split)) for split in job.splits),
        *(other.evaluated(folder) for other in job.others),
    )
    return status != "finished" or not all(done)


def stays_stopped(job: Job, runs: Path) -> bool:
    """Whether a trial that was stopped early has ended for this job: its own study has stopped it, or its rule would.

    Raises:
        RecordError: record or history cannot be read.
    """
    if job.stop is None:
        return False
    folder = runs / job.trial.key
    if read_record(folder).get("stopped_by") == job.stop.study:
        return True
    try:
        history = history_of(folder)
    except DamagedFile:
        return False  # its checkpoint has the same rows, and going on writes the table anew
    return not history or job.stop(runs, history) is not None


def _do_missing(job: Job, folder: TrialFolder, *, claim: Claim, started: datetime, interruption: Interruption) -> None:
    for damage in folder.tidy():
        LOG.warning(damage)
    method = load_method(job.trial.method)
    dataset = method.sees(job.open_dataset())
    if folder.status() != "finished":
        _train(job, folder, method, dataset, claim=claim, started=started, interruption=interruption)
    if folder.status() == "finished":
        _evaluate(job, folder, method, dataset, claim=claim)


def _train(
    job: Job, folder: TrialFolder, method: Method, dataset: Dataset, *, claim: Claim, started: datetime,
    interruption: Interruption,
) -> None:  # fmt: skip
    facts = describe(method, dataset)
    folder.begin(facts)
    if job.trial.budget is None:
        # Evaluated first: a method that fails on every pair is a failed trial.
        _evaluate(job, folder, method, dataset, claim=claim)
        claim.require()
        measured = _measured(job, started)
        measured["versions"] |= method.versions()
        folder.finish(facts | {"step": 0}, measured=measured)
        return
    other = find_trained(folder, method)
    if other is not None and _take(job, folder, other, facts, started=started):
        return
    if folder.checkpoint.exists() and (damage := checkpoint_damage(folder.checkpoint)):
        LOG.warning(folder.set_aside(folder.checkpoint, damage))
    budget, reason, initial = Budget(**job.trial.budget), None, initial_weights(folder, method)

    def on_step(step: int, terms: Mapping[str, float]) -> None:
        claim.note(step=step, of=budget.steps, loss=terms["loss"])
        if step % 20 == 0 or step == budget.steps:
            claim.require()

    def stops(history: Sequence[Row]) -> bool:
        nonlocal reason
        claim.require()
        folder.write_curves(history, ())
        reason = job.stop(folder.path.parent, history) if job.stop else None
        return reason is not None

    with interruption.held_back(), sharing(job, folder.checkpoint) as share:
        trained = train(
            method, dataset, budget, job.trial.seed, device=torch.device(job.device), checkpoint=folder.checkpoint,
            on_step=on_step, stops=stops, interrupted=lambda: interruption.signal is not None,
            checkpointing=job.checkpointing, initial=initial, share=share,
        )  # fmt: skip
    if reason is None and trained.progress.step < budget.steps:
        interruption.leave()
    claim.require()
    _record(job, folder, trained, facts, reason=reason, started=started)
    interruption.leave()


def find_trained(folder: TrialFolder, method: Method) -> TrialFolder | None:
    """The finished trial whose weights are those that training ``method`` would yield, as the method says itself."""
    if method.trained_as == method:
        return None
    trial = replace(folder.trial, method=method.trained_as.configuration())
    other = TrialFolder(folder.path.parent, trial)
    try:
        return other if other.status() == "finished" and other.weights.exists() else None
    except RecordError:
        return None  # a problem of that trial


def initial_weights(folder: TrialFolder, method: Method) -> dict[str, Tensor] | None:
    """The weights that training begins with where they are those of another trial; None where they are its own.

    Raises:
        RecordError: that trial has not finished, or its weights are damaged.
    """
    if method.begins_with is None:
        return None
    other = TrialFolder(folder.path.parent, Trial(dataset=folder.trial.dataset, **method.begins_with))
    if other.status() != "finished":
        raise RecordError(f"{other.path} must hold the finished {other.trial.method['name']} that training begins with")
    return load_weights(other.weights)


def _take(job: Job, folder: TrialFolder, other: TrialFolder, facts: Json, *, started: datetime) -> bool:
    """Finish with the weights and curves of another trial, in place of training to the same bits, if they are sound."""
    try:
        history, gates = (read_table(other.path / name) for name in ("history.csv", "gates.csv"))
        load_weights(other.weights)
    except RecordError as error:
        LOG.warning(f"{error}; the same weights are trained again")
        return False
    folder.finish(
        facts | {"step": read_record(other.path)["step"]}, history=history, gates=gates,
        weights=other.weights.read_bytes(), measured=_measured(job, started) | {"weights_from": other.trial.key},
    )  # fmt: skip
    return True


def _record(
    job: Job, folder: TrialFolder, trained: Trained, facts: Json, *, reason: str | None, started: datetime
) -> None:
    """Write how training ended: all steps done, or stopped early for a reason."""
    progress = trained.progress
    measured = _measured(job, started) | {
        "training_s": progress.seconds,
        "step_s": statistics.median(trained.step_s) if trained.step_s else None,
        "resumed_at": trained.resumed_at,
    }
    facts |= {"step": progress.step}
    assert job.trial.budget is not None
    if reason is not None and progress.step < job.trial.budget["steps"]:
        folder.write_curves(progress.history, progress.gates)
        assert job.stop is not None
        folder.prune(facts | {"stopped_by": job.stop.study}, reason, measured=measured)
        return
    weights = save({name: tensor.cpu().contiguous() for name, tensor in trained.network.state_dict().items()})
    folder.finish(facts, history=progress.history, gates=progress.gates, weights=weights, measured=measured)


def _evaluate(job: Job, folder: TrialFolder, method: Method, dataset: Dataset, *, claim: Claim) -> None:
    device = torch.device(job.device)
    network = load_network(folder.path, method, len(dataset.shape))
    if network is not None:
        network.to(device)

    def on_pair(done: int, count: int) -> None:
        claim.note(pair=done, pairs=count)
        claim.require()

    for split in job.splits:
        if not folder.evaluated(job.evaluation(split)):
            files = evaluate(
                method, network, dataset, split, device=device, on_pair=on_pair, label_warp=job.label_warp,
                viewed=job.trial.seed == 0,  # one trial per arm is shown
            )  # fmt: skip
            folder.write_evaluation(job.evaluation(split), files)
    for other in job.others:
        if not other.evaluated(folder):
            files = evaluate(
                method, network, other.open(job.cache), other.split, device=device, on_pair=on_pair,
                viewed=job.trial.seed == 0, label_warp=job.label_warp, facts=other.facts(job.trial.dataset),
            )  # fmt: skip
            folder.write_evaluation(other.folder, files)


def _measured(job: Job, started: datetime) -> dict[str, Any]:
    """Where, when and with what a trial ran."""
    times = {"started": started, "ended": datetime.now(UTC)}
    device = torch.device(job.device)
    machine = describe_machine(device, threads=job.threads)
    if job.trial.budget:
        machine["precision"] = precision = computed_in(job.trial.budget["precision"], device)
        machine["checkpointing"] = job.checkpointing
        machine["devices"] = job.devices
        machine["convolutions"] = convolution_path(precision, device)
    return machine | {name: time.isoformat(timespec="seconds") for name, time in times.items()}
