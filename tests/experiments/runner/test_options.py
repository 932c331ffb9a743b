"""Options: each has a type with bounds, which a command line and a caller's code meet alike."""

from pathlib import Path

import pytest

from experiments.runner.command_line import parse
from experiments.runner.options import DataOptions, ExecutionOptions, SearchOptions, StudyOptions, SweepOptions
from experiments.sweep import main
from nas.objectives import find_objectives


def read(*arguments: str) -> SweepOptions:
    options = parse(["placement", *arguments])
    assert options is not None
    return options


def refuse(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What is said of a wrong call, with --dry-run and without, which must be the same."""
    messages = []
    for more in ([], ["--dry-run"]):
        try:
            status: object = main(["placement", *arguments, *more])
        except SystemExit as ended:
            status = ended.code
        assert status == 2
        messages.append(capsys.readouterr().err.splitlines()[-1].replace(" --dry-run", ""))
    assert messages[0] == messages[1]
    return messages[0]


WHOLE = ("--seeds", "--workers", "--threads", "--trials", "--search-seed", "--confirm", "--confirm-seeds")
NUMBERS = ("--max-parameters", "--max-flops", "--max-folding", "--price", "--cpus-per-trial", "--gpus-per-trial")


@pytest.mark.parametrize("option", [*WHOLE, *NUMBERS])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1", "-0.5", "1e400", "٣", "९", "1" + "0" * 22, "", "x"])
def test_a_number_is_finite_positive_bounded_and_in_plain_digits(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refuse(capsys, f"{option}={value}")
    assert option in message
    assert "must be" in message


@pytest.mark.parametrize("option", [*WHOLE, "--refine"])
def test_what_is_counted_is_whole(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "must be a whole number, got '1.5'" in refuse(capsys, "--arm", "x", option, "1.5")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-flops", "0"], "--max-flops: must be from 1 to 1e+21, got 0"),
        (["--max-flops", "1e-300"], "--max-flops: must be from 1"),
        (["--max-folding", "1.5"], "--max-folding: must be from 0 to 1"),
        (["--seeds", "1001"], "--seeds: must be from 1 to 1,000, got 1001"),
        (["--cpus-per-trial", "1.5"], "--cpus-per-trial: must be a whole number if above 1"),
        (["--cpus-per-trial", "0"], "--cpus-per-trial: must be from 0.001"),
        (["--device", "cpu:99"], "--device: must be cpu, cuda, cuda:N or mps, got 'cpu:99'"),
        (["--device", "meta"], "--device: must be cpu"),
        (["--device", "abacus"], "--device: must be cpu"),
        (["--budget", ""], "--budget: find_budget(): unknown budget ''"),
        (
            ["--budget", "smoke-99999999999999999999"],
            "--budget: find_budget(): unknown budget 'smoke-99999999999999999999'",
        ),
        (["--budget", "smoke-٣"], "unknown budget"),
        (["--budget", "smoke-0"], "'steps' must be positive"),
        (["--confirm-budget", "huge"], "--confirm-budget: find_budget(): unknown budget 'huge'"),
        (["--driver", "rai"], "--driver: must be one of inline, optuna, ray, got 'rai'; did you mean ray?"),
        (["--objective", "speed"], "--objective: must be one of dice, regularity"),
        (["--early-stopping", "perhaps"], "--early-stopping: must be one of halving, none"),
        (["--driver", "ray", "--executor", "ray"], "--driver is short for --executor and --searcher"),
        (["--plan", "late"], "--plan needs --arm"),
        (["--refine", "5"], "--refine needs --arm"),
        (["--set", "colour"], "--set: must be KEY=VALUE, got 'colour'"),
        (["--data", "acdc"], "--data: must be NAME=DIR, got 'acdc'"),
        (["--data", "folder=" + "x" * 5000], "--data: must be a path of 4095 bytes at most"),
        (["--runs", "y" * 300], "--runs: must be a path of 4095 bytes at most, and 255 for each part"),
        (["--cache", ""], "--cache: must be a path, got ''"),
        (["--seedz", "3"], "unrecognized arguments: --seedz 3; did you mean --seeds?"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in refuse(capsys, *arguments)


@pytest.mark.parametrize(
    "name", ["a/b", "..", "../x", "a\nb", "<b>x</b>", "x" * 300, "", ".x", "-x", "e\u0301tude", "a b"]
)
def test_a_name_is_one_for_every_file_system(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    message = refuse(capsys, f"--name={name}")
    assert "--name: must be at most 100 letters, digits and _ . + = -" in message


@pytest.mark.parametrize("name", ["first", "2nd_try", "a.b+c=d-e", "étude"])
def test_a_good_name_is_kept(name: str) -> None:
    assert read("--name", name).study.name == name


def test_a_path_is_expanded_wherever_one_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    options = read("--runs=~/r", "--cache=~/c", "--tensorboard=~/t", "--data", "folder=~/f", "--data", "acdc=a")
    assert (options.runs, options.data.cache, options.execution.tensorboard) == (
        tmp_path / "r",
        tmp_path / "c",
        tmp_path / "t",
    )
    assert options.data.folders == {"folder": tmp_path / "f", "acdc": tmp_path / "a"}


def test_what_is_not_asked_for_has_its_default() -> None:
    options = read()
    assert options.study == StudyOptions()
    assert options.data == DataOptions()
    assert options.search == SearchOptions()
    assert options.execution == ExecutionOptions(device=options.execution.device)
    assert options.runs == Path("runs").absolute()


def test_a_caller_meets_the_same_bounds() -> None:
    with pytest.raises(ValueError, match="--trials: must be from 1 to 100,000, got 0"):
        SearchOptions(trials=0)
    with pytest.raises(ValueError, match="--max-folding: must be a number, got 'nan'"):
        SearchOptions(max_folding=float("nan"))
    with pytest.raises(ValueError, match="--threads: must be a whole number, got 'True'"):
        ExecutionOptions(threads=True)
    assert SearchOptions(trials=3, objectives=("dice", "flops"), max_flops=1e9).max_flops == 1e9


def test_the_help_is_in_groups_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    shown = capsys.readouterr().out
    for part in ("what is compared:", "on which images:", "where and how trials run:", "searches:", "examples:"):
        assert part in shown


def test_executor_and_searcher_are_choices_of_their_own() -> None:
    options = read("--executor", "ray", "--searcher", "grid")
    assert (options.execution.on_ray, options.search.searcher) == (True, "grid")
    assert not read("--driver", "optuna").execution.on_ray
    assert read("--driver", "ray").execution.on_ray


def test_known_objectives_are_those_of_a_search() -> None:
    options = read("--objective", "dice", "--objective", "flops")
    assert [objective.name for objective in find_objectives(options.search.objectives)] == ["dice", "flops"]
