"""The options of a sweep, typed and with bounds: a command line and a caller's code are checked alike, and once."""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args

from experiments.runner.option_types import (
    BudgetName,
    Device,
    Folder,
    NamedFolder,
    Number,
    OptionType,
    Setting,
    StudyName,
    Switch,
    Text,
    Whole,
    Word,
)
from fusemorph.configuration import BUDGETS, Budget, Compiler, find_budget
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
AT_MOST = {"seeds": 1_000, "trials": 100_000, "workers": 1_024, "steps": 1_000_000}
COMPILERS = tuple(name for name in get_args(Compiler) if name != "none")
OPTION = "option"


def option(
    kind: OptionType,
    help: str,
    *,
    default: Any = None,
    metavar: str | None = None,
    flag: str = "",
    many: bool = False,
    bare: str | None = None,
) -> Any:
    """A field that is an option of the command line; ``flag`` where it is not called as the field is, ``bare``: what
    the flag without a value stands for, where it may come alone."""
    words = "|".join(kind.among) if isinstance(kind, Word) and not many else None
    shown = {"kind": kind, "help": help, "metavar": metavar or words, "flag": flag, "many": many, "bare": bare}
    return field(default=() if many else default, metadata={OPTION: shown})


def flag_of(field: Field[Any]) -> str:
    """What an option is called on the command line."""
    return str(field.metadata[OPTION]["flag"] or f"--{field.name.replace('_', '-')}")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options that belong together. Each may be given as text or as what it shall be.

    Raises:
        ValueError: a value that is no such option, or out of bounds; the message names the option.
    """

    def __post_init__(self) -> None:
        for item in fields(self):
            given, shown = getattr(self, item.name), item.metadata[OPTION]
            try:
                if shown["many"]:
                    value: Any = tuple(shown["kind"].read(entry) for entry in given)
                else:
                    value = None if given is None else shown["kind"].read(given)
            except ValueError as error:
                raise ValueError(f"{flag_of(item)}: {error}") from error
            object.__setattr__(self, item.name, value)


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
        Word(among=tuple(SPACES)), "of the study table: the space whose plans are all trained; default: tiny"
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
        """The budget of that name, compiled if that is asked for."""
        return replace(find_budget(name), compiler=self.compile or "none")

    def study_name(self, *parts: str) -> str:
        """What a study is called that has no name of its own."""
        added = ["compiled"] * bool(self.compile) + [self.label_warp] * (self.label_warp != "linear")
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
        NamedFolder(), "where a dataset's files lie", flag="--data", metavar="NAME=DIR", many=True
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
        "GPUs that Ray reserves for a trial, fractions allowed; default: 0",
        default=0.0,
        metavar="N",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.driver and self.executor:
            raise ValueError("--driver is short for --executor and --searcher: give either it or those")

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
        "how weak trials are stopped early; default: halving for the single objective dice, one dataset and one seed",
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
class SweepOptions:
    """All that a sweep is asked to do."""

    study_name: str
    runs: Path
    dry_run: bool = False
    study: StudyOptions = field(default_factory=StudyOptions)
    data: DataOptions = field(default_factory=DataOptions)
    execution: ExecutionOptions = field(default_factory=ExecutionOptions)
    search: SearchOptions = field(default_factory=SearchOptions)
