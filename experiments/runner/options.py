"""The options of a sweep, typed and with bounds: a command line and a caller's code are checked alike, and once."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from experiments.runner.option_fields import Options, option
from experiments.runner.option_types import (
    BudgetName,
    Device,
    Folder,
    NamedFolder,
    Number,
    Setting,
    StudyName,
    Switch,
    Text,
    Whole,
    Word,
)
from fusemorph.configuration import BUDGETS, Budget, Compiler, find_budget
from fusemorph.fusion.plan_draws import DRAWS, Draw
from fusemorph.grid import Mode
from nas.objectives import OBJECTIVES
from nas.proxy import known_proxies
from nas.spaces import SPACES

EXECUTORS = ("inline", "ray")
SEARCHERS = ("random", "grid", "evolution", "tpe", "nsga2", "brute")
DRIVERS = {
    "inline": ("random", "grid", "evolution"),
    "optuna": ("tpe", "nsga2", "random", "brute"),
    "ray": ("tpe", "nsga2", "random"),
}
"""The short form of executor and searcher: each driver with the searchers that it offers, its own choice first."""
AT_MOST = {"seeds": 1_000, "trials": 100_000, "workers": 1_024, "batch_size": 1_024, "steps": 1_000_000}
COMPILERS = tuple(name for name in get_args(Compiler) if name != "none")


@dataclass(frozen=True, kw_only=True)
class StudyOptions(Options):
    """What is compared."""

    budget: str | None = option(BudgetName(), f"{', '.join(BUDGETS)}, or search-80: 80 steps; default: the study's own")
    seeds: int | None = option(
        Whole(least=1, most=AT_MOST["seeds"]), "train with seeds 0 to N-1; default: the study's own", metavar="N"
    )
    arms: tuple[str, ...] = option(
        Text(), "run only this arm; repeat for several", flag="--arm", metavar="LABEL", many=True
    )
    labels: str | None = option(
        Text(), "numbers or shares of labelled training subjects, separated by commas: 0,5,10%%,100%%", metavar="N,..."
    )
    space: str | None = option(
        Word(among=tuple(SPACES)), "of the studies table and oneshot: the space of plans; default: tiny"
    )
    plan: str | None = option(
        Text(), "also train the arms of --arm with this plan in place of their own", metavar="PLAN"
    )
    refine: int | None = option(
        Whole(least=1, most=AT_MOST["steps"]),
        "also run the arms of --arm with instance optimisation in this many steps",
        metavar="STEPS",
    )
    compile: Compiler | None = option(  # noqa: RUF009
        Word(among=COMPILERS), "train compiled networks (torch.compile); without a value: inductor", bare=COMPILERS[0]
    )
    batch_size: int | None = option(
        Whole(least=1, most=AT_MOST["batch_size"]),
        "pairs of a training step, whose gradients are averaged; default: the budget's (1)",
        metavar="N",
    )
    label_warp: Mode = option(  # noqa: RUF009
        Word(among=get_args(Mode)),
        "how moving labels are warped for evaluation, default: linear (as one-hot); nearest: as Learn2Reg does",
        default="linear",
    )
    name: str | None = option(StudyName(), "name of the study in RUNS; default: STUDY-DATASET-BUDGET")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.plan and not self.arms:
            raise ValueError("--plan needs --arm, which names the arms whose plan it replaces")
        if self.refine and not self.arms:
            raise ValueError("--refine needs --arm, which names the arms whose results are refined")

    @property
    def label_numbers(self) -> tuple[str, ...]:
        """The numbers and shares of ``--labels``."""
        return tuple(text.strip() for text in self.labels.split(",")) if self.labels else ()

    def find_budget(self, name: str) -> Budget:
        """The budget of that name, compiled and with the batches that are asked for."""
        budget = find_budget(name)
        return replace(budget, compiler=self.compile or "none", batch_size=self.batch_size or budget.batch_size)

    def study_name(self, *parts: str) -> str:
        """What a study is called that has no name of its own."""
        added = ["compiled"] * bool(self.compile) + [f"batches-of-{self.batch_size}"] * bool(self.batch_size)
        added += [self.label_warp] * (self.label_warp != "linear")
        return "-".join((*parts, *added))


@dataclass(frozen=True, kw_only=True)
class DataOptions(Options):
    """On which images."""

    datasets: tuple[str, ...] = option(
        Text(),
        "data set to train and evaluate on; repeat for several; default: the study's own",
        flag="--dataset",
        metavar="NAME",
        many=True,
    )
    named_folders: tuple[tuple[str, Path], ...] = option(
        NamedFolder(), "folder of a data set's files", flag="--data", metavar="NAME=DIR", many=True
    )
    named_settings: tuple[tuple[str, Any], ...] = option(
        Setting(), "a setting of every data set, or of one: NAME.KEY=VALUE", flag="--set", metavar="KEY=VALUE",
        many=True,
    )  # fmt: skip
    select_on: str | None = option(
        Text(), "data set whose val pairs are used for selection; default: the training data set", metavar="NAME"
    )
    evaluate_on: tuple[str, ...] = option(
        Text(), "data set to test on as well, by default on its test pairs; repeat for several",
        metavar="NAME[-SPLIT]", many=True,
    )  # fmt: skip
    cache: Path | None = option(Folder(), "where preprocessed images are kept", metavar="DIR")  # noqa: RUF009

    @property
    def folders(self) -> Mapping[str, Path]:
        """Where the files of the data sets lie."""
        return dict(self.named_folders)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the data sets."""
        return dict(self.named_settings)


@dataclass(frozen=True, kw_only=True)
class ExecutionOptions(Options):
    """Where and how trials run."""

    driver: str | None = option(
        Word(among=tuple(DRIVERS)), "short for --executor and --searcher; optuna: inline and tpe; ray: ray and tpe"
    )
    executor: str | None = option(Word(among=EXECUTORS), "what runs the trials; default: inline")
    workers: int | None = option(
        Whole(least=1, most=AT_MOST["workers"]),
        "trials at a time (inline); default: cores / threads, or 1",
        metavar="N",
    )
    threads: int = option(
        Whole(least=1, most=AT_MOST["workers"]), "threads per trial; default: 1", default=1, metavar="N"
    )
    device: str = option(Device(), "device that trials run on; default: cuda if available, else cpu", default="cpu")
    checkpointing: bool = option(
        Switch(), "save memory by computing activations again in the backward pass; results are the same", default=False
    )
    card_memory: float | None = option(
        Number(least=0.001, most=1e6),
        "GPU memory in GiB that --dry-run checks against; default: that of --device",
        metavar="GIB",
    )
    retry_failed: bool = option(Switch(), "run failed trials again; their records are kept", default=False)
    tensorboard: Path | None = option(  # noqa: RUF009
        Folder(), "write scalars of running trials for TensorBoard", metavar="DIR"
    )
    address: str | None = option(Text(), "address of a Ray cluster, or auto; default: start Ray on this machine")
    cpus_per_trial: float = option(
        Number(least=0.001, most=1024, whole_beyond_1=True),
        "CPUs that Ray reserves for a trial; default: 1",
        default=1.0,
        metavar="N",
    )
    gpus_per_trial: float = option(
        Number(least=0, most=1024, whole_beyond_1=True),
        "GPUs of a trial: from 2 on they share each batch; fractions are for Ray, which reserves them; default: 0",
        default=0.0,
        metavar="N",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.driver and self.executor:
            raise ValueError("--driver is short for --executor and --searcher: give either it or those")

    @property
    def devices_per_trial(self) -> int:
        """Over how many devices a trial is trained."""
        return max(1, int(self.gpus_per_trial))

    @property
    def on_ray(self) -> bool:
        """Whether Ray runs the trials, and not worker processes of this one."""
        return "ray" in (self.executor, self.driver)


@dataclass(frozen=True, kw_only=True)
class SearchOptions(Options):
    """What a search tries, and how it ends."""

    searcher: str | None = option(
        Word(among=SEARCHERS), "how configurations are proposed; default: random, or as --driver says"
    )
    trials: int | None = option(
        Whole(least=1, most=AT_MOST["trials"]),
        "distinct configurations in total, including those already done",
        metavar="N",
    )
    operators: str | None = option(Text(), "symbols that a stage may take; default: the study's own")
    semi: bool = option(Switch(), "learn from labels, and also search how segmentation helps", default=False)
    objectives: tuple[str, ...] = option(
        Word(among=tuple(OBJECTIVES)), f"what is optimised: {', '.join(OBJECTIVES)}; repeat for several; default: dice",
        flag="--objective", metavar="NAME", many=True,
    )  # fmt: skip
    early_stopping: str | None = option(
        Word(among=("halving", "none")),
        "how weak trials are stopped early; default: halving for the single objective dice, one data set and one seed",
    )
    warm_start: str | None = option(
        Word(among=known_proxies()),
        "zero-cost proxy whose best of 100 plans tpe, nsga2 or evolution try first; default: none",
    )
    max_parameters: float | None = option(Number(least=1, most=1e15), "refuse larger networks", metavar="N")
    max_flops: float | None = option(Number(least=1, most=1e21), "refuse networks of more forward FLOPs", metavar="N")
    max_folding: float | None = option(
        Number(least=0, most=1), "exclude results with a larger folding fraction", metavar="X"
    )
    search_seed: int = option(
        Whole(least=0, most=2**32 - 2), "seed of the searcher; default: 0", default=0, metavar="N"
    )
    confirm: int | None = option(
        Whole(least=0, most=1_000), "train the best K again; 0: none; default: the study's own", metavar="K"
    )
    confirm_budget: str | None = option(
        BudgetName(), "budget of the confirmation; default: the study's own", metavar="NAME"
    )
    confirm_seeds: int | None = option(
        Whole(least=1, most=AT_MOST["seeds"]),
        "training seeds of the confirmation; default: the study's own",
        metavar="N",
    )
    no_control: bool = option(Switch(), "leave out the control, a random search of the same size", default=False)
    price: float = option(
        Number(least=0, most=1e9), "price of an hour of a trial's core or GPU, for --dry-run", default=0.0, metavar="P"
    )


@dataclass(frozen=True, kw_only=True)
class OneShotOptions(Options):
    """How a supernet is trained and scored, and which plans are trained alone beside it."""

    supernet_steps: int | None = option(
        Whole(least=1, most=AT_MOST["steps"]), "training steps of the supernet; default: the study's own", metavar="N"
    )
    draw: Draw = option(  # noqa: RUF009
        Word(among=DRAWS),
        "how the plan of a step is drawn: each as likely, or each operator of a stage as often; default: uniform",
        default=DRAWS[0],
    )
    score_pairs: int | None = option(
        Whole(least=1, most=10_000), "val pairs that score a plan with shared weights; default: 4", metavar="N"
    )
    sample: int | None = option(
        Whole(least=0, most=10_000),
        "plans trained alone beside the best --confirm of them, drawn at random; default: the study's own",
        metavar="N",
    )
    fine_tune: bool = option(
        Switch(), "also train the best on from the shared weights, as arms of their own", default=False
    )
    proxies: tuple[str, ...] = option(
        Word(among=known_proxies()), "a zero-cost proxy to compare with; repeat for several; default: all",
        flag="--proxy", metavar="NAME", many=True,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """All that a sweep is asked to do."""

    study_name: str
    runs: Path
    dry_run: bool = False
    study: StudyOptions = field(default_factory=StudyOptions)
    data: DataOptions = field(default_factory=DataOptions)
    execution: ExecutionOptions = field(default_factory=ExecutionOptions)
    search: SearchOptions = field(default_factory=SearchOptions)
    oneshot: OneShotOptions = field(default_factory=OneShotOptions)
