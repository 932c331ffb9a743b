"""One training over several devices of this machine: this process leads, a process for each other device follows.

Every process has the same weights and computes the gradient of its own pairs of each batch, of which all take the mean.
The leader alone holds the claim, validates, saves and records. Whatever happens to it, the others end.
"""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed
from torch._C._distributed_c10d import FileStore

from fusemorph.catalogue import add_folders
from fusemorph.configuration import Budget
from fusemorph.method import load_method
from fusemorph.trials.batches import ALONE, Share
from fusemorph.trials.job import Job
from fusemorph.trials.step import TrainingFailed
from fusemorph.trials.training import train

MEET = timedelta(minutes=5)
"""Time for processes that are there to find each other."""
LONGEST_WAIT = timedelta(days=30)
"""The others wait for the leader while it validates; that a process has died is noticed in other ways."""
FOR_THE_LEADER = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")


class ReplicaDied(RuntimeError):
    """A process that computed a part of a training was killed; the training can go on from its checkpoint."""


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What a follower is told: the job, the checkpoint that it begins with, its part, and where all meet."""

    job: Job
    checkpoint: Path
    share: Share
    meeting: Path

    @property
    def ready(self) -> Path:
        """The file by which it says that it is there."""
        return self.meeting / f"ready-{self.share.rank}"

    @property
    def reason(self) -> Path:
        """The file in which it says why it cannot go on."""
        return self.meeting / f"reason-{self.share.rank}"


@dataclass(eq=False)
class _Follower:
    """A process for another device, with what it was told; ``dismissed``: it is no longer needed."""

    task: _Task
    process: "subprocess.Popen[bytes]"
    dismissed: bool = False

    @classmethod
    def start(cls, task: _Task) -> "_Follower":
        call = [sys.executable, "-m", "fusemorph.trials.replicas"]
        process = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it has died, which is noticed next
            process.stdin.write(pickle.dumps(task))
            process.stdin.flush()
        return cls(task, process)

    def failure(self, *, within_s: float = 0.0) -> Exception | None:
        """Why it has ended, if it has or does so within that time: it could not go on, or was killed."""
        with suppress(subprocess.TimeoutExpired):
            status = self.process.wait(within_s)
            who = f"process {self.task.share.rank + 1} of {self.task.share.size}"
            if self.task.reason.exists():
                return TrainingFailed(f"{who}: {self.task.reason.read_text()}")
            died = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"
            return ReplicaDied(f"{who} of the training died: {died}")
        return None

    def watch(self) -> None:
        """Once it has died, let go of what this process waits for: a GPU would wait on."""
        self.process.wait()
        if not self.dismissed:
            with suppress(RuntimeError, AttributeError):  # not every backend can
                torch.distributed.group.WORLD.abort()  # type: ignore[union-attr]

    def dismiss(self) -> None:
        """End it."""
        self.dismissed = True
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()


def device_of(job: Job, rank: int) -> torch.device:
    """The device of a process of a job's training: those after the job's own, or the CPU for all."""
    device = torch.device(job.device)
    return torch.device(device.type, (device.index or 0) + rank) if device.type == "cuda" else device


@contextmanager
def sharing(job: Job, checkpoint: Path) -> Iterator[Share]:
    """This process as the leader of as many as the job has devices, each of which goes on from the checkpoint.

    Raises:
        TrainingFailed: another one cannot go on.
        ReplicaDied: another one was killed.
    """
    if job.devices == 1:
        yield ALONE
        return
    followers: list[_Follower] = []
    share = Share(size=job.devices)
    with tempfile.TemporaryDirectory(prefix="fusemorph-") as name:
        try:
            for rank in range(1, job.devices):
                other = replace(share, rank=rank)
                task = _Task(job=replace(job, stop=None), checkpoint=checkpoint, share=other, meeting=Path(name))
                followers.append(_Follower.start(task))
            _wait_until_ready(followers)
            _meet(Path(name), share, device_of(job, 0))
            for follower in followers:
                threading.Thread(target=follower.watch, daemon=True).start()
            yield share
        except RuntimeError as error:
            if not isinstance(error, (TrainingFailed, ReplicaDied)):
                for follower in followers:
                    if (failure := follower.failure(within_s=10.0)) is not None:
                        raise failure from error
            raise
        finally:
            for follower in followers:
                follower.dismiss()
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()


def _wait_until_ready(followers: Sequence[_Follower]) -> None:
    for follower in followers:
        while not follower.task.ready.exists():
            if (failure := follower.failure()) is not None:
                raise failure
            time.sleep(0.05)


def _meet(meeting: Path, share: Share, device: torch.device) -> None:
    """Join the processes of the training."""
    store = FileStore(str(meeting / "store"), share.size)
    store.set_timeout(MEET)
    torch.distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo", store=store, rank=share.rank, world_size=share.size,
        timeout=LONGEST_WAIT, device_id=device if device.type == "cuda" else None,
    )  # fmt: skip


def follow(task: _Task) -> None:
    """Train the parts of a follower."""
    job, device = task.job, device_of(task.job, task.share.rank)
    add_folders(job.entries)
    torch.set_num_threads(job.threads)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    method = load_method(job.trial.method)
    dataset = method.sees(job.open_dataset())
    assert job.trial.budget is not None
    task.ready.touch()
    _meet(task.meeting, task.share, device)
    train(
        method, dataset, Budget(**job.trial.budget), job.trial.seed, device=device, checkpoint=task.checkpoint,
        checkpointing=job.checkpointing, share=task.share,
    )  # fmt: skip


def main() -> None:
    """The life of a follower: until it is ended, or the leader is gone."""
    for name in FOR_THE_LEADER:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    task: _Task = pickle.load(sys.stdin.buffer)  # from the leader's own hand
    gone = threading.Thread(target=_end_with_the_leader, daemon=True)
    gone.start()
    try:
        follow(task)
    except Exception as error:
        text = str(error) if isinstance(error, TrainingFailed) else f"{type(error).__name__}: {error}"
        with suppress(OSError):  # the leader has ended, and taken the folder away
            task.reason.write_text(text)
        raise SystemExit(1) from None
    gone.join()  # the leader may not have read all that this process computed


def _end_with_the_leader() -> None:
    sys.stdin.buffer.read(1)
    os._exit(0)


if __name__ == "__main__":
    from fusemorph.trials import replicas  # what is unpickled comes from there, and not from __main__

    replicas.main()
