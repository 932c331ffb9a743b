"""How entries are found: the same rule for operators, data sets, methods and studies, wherever they lie."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

from experiments.study import find_study
from fusemorph import catalogue
from fusemorph.catalogue import DATASETS, KINDS, METHODS, OPERATORS, STUDIES, add_folders, entries
from fusemorph.data import open_dataset
from fusemorph.fusion.operator import GateSettings, build_operator
from fusemorph.fusion.plan import parse_plan, vocabulary
from fusemorph.method import Method, load_method
from tests.entry_files import METHOD, OPERATOR, write_entries

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def nothing_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(catalogue.FOLDERS, "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_entries(tmp_path / "mine")


def in_a_process(code: str, **environment: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=os.environ | environment
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_names_and_origins_are_listed_without_torch(folder: Path) -> None:
    code = (
        "import sys; from fusemorph.catalogue import KINDS, entries; from fusemorph.fusion.plan import vocabulary\n"
        "print(*(f'{e.name} {e.origin}' for kind in KINDS for e in entries(kind).values()), sep='\\n')\n"
        "print(*vocabulary()); sys.exit('torch' in sys.modules)"
    )
    lines = in_a_process(code, **{catalogue.FOLDERS: str(folder)}).splitlines()
    for line in (
        "gate fusemorph/fusion/operators/gate.py",
        "acdc fusemorph/data/datasets/acdc.py",
        "fusion fusemorph/fusion/method.py",
        "syn baselines/syn.py",
        "quickstart experiments/studies/quickstart.py",
        f"nudge {folder / 'methods' / 'nudge.py'}",
        f"elsewhere {folder / 'studies' / 'elsewhere.py'}",
    ):
        assert line in lines
    assert "z" in lines[-1].split()


def test_one_of_each_kind_is_found_in_a_folder(folder: Path, tmp_path: Path) -> None:
    before = [set(entries(kind)) for kind in KINDS]
    add_folders([folder, folder])
    assert catalogue.folders() == (folder,)
    added = [set(entries(kind)) - names for kind, names in zip(KINDS, before, strict=True)]
    assert added == [{"larger"}, {"elsewhere_brains"}, {"nudge"}, {"elsewhere"}]  # and not what begins with _
    method = load_method({"name": "nudge"})
    assert load_method(method.configuration()) == method
    dataset = open_dataset("elsewhere_brains", cache=tmp_path / "cache", spacing_mm=8.0, train=2, val=2, test=0)
    assert dataset.name == "elsewhere_brains"
    assert find_study("elsewhere").dataset == "elsewhere_brains"
    assert parse_plan("zzzzzzz") == "------z"
    operator = build_operator("z", dims=2, channels=8, gate=GateSettings())
    assert type(operator).__name__ == "Larger"


def test_the_folder_counts_only_where_it_is_named(folder: Path) -> None:
    add_folders([folder])
    assert "nudge" in entries(METHODS)
    add_folders([])
    assert "nudge" in entries(METHODS)
    os.environ[catalogue.FOLDERS] = ""
    assert "nudge" not in entries(METHODS)
    assert "z" not in vocabulary()
    with pytest.raises(ValueError, match="unknown method 'nudge'; known: affine, "):
        load_method({"name": "nudge"})


SECOND = METHOD + "\n\nclass Again(Nudge):\n    pass\n"
PRIVATE = METHOD + "\n\nclass _Again(Nudge):\n    pass\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"""Nothing."""\n', r"must define exactly one Method, got 0"),
        (SECOND, r"must define exactly one Method, got 2"),
        (METHOD.replace("import torch", "import torch_of_another_name"), r"cannot be imported: ModuleNotFoundError: "),
        (METHOD.replace("class Nudge(", "class Nudge["), r"cannot be imported: SyntaxError: "),
        (METHOD.replace('"nudge"', '"shove"'), r"calls itself 'shove'; the name must be that of the module"),
    ],
)
def test_a_file_that_is_no_entry_is_named(folder: Path, text: str, message: str) -> None:
    (folder / "methods" / "nudge.py").write_text(text)
    add_folders([folder])
    with pytest.raises(ValueError, match=rf"method 'nudge' \(.*mine/methods/nudge\.py\): {message}"):
        load_method({"name": "nudge"})


def test_a_private_class_does_not_count(folder: Path) -> None:
    (folder / "methods" / "nudge.py").write_text(PRIVATE)
    add_folders([folder])
    assert load_method({"name": "nudge"}).name == "nudge"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OPERATOR.replace('SYMBOL = "z"\n', ""), "'SYMBOL' must be one letter, got None"),
        (OPERATOR.replace('SYMBOL = "z"', 'SYMBOL = "-"'), "'SYMBOL' must be one letter, got '-'"),
        (OPERATOR.replace('SYMBOL = "z"', 'SYMBOL = "g"'), "'SYMBOL' must be a letter of its own, 'g' is that of gate"),
        (OPERATOR.replace('"moving")', '"still")'), "'READS' must be a tuple of one or more of joint, fixed, moving"),
        (OPERATOR.replace('SYMBOL = "z"', "SYMBOL = letter()"), "cannot be read: ValueError: "),
        (OPERATOR.replace("class Larger(", "class Larger["), "cannot be read: SyntaxError: "),
    ],
)
def test_an_operator_that_declares_something_else_is_named(folder: Path, text: str, message: str) -> None:
    (folder / "operators" / "larger.py").write_text(text)
    add_folders([folder])
    with pytest.raises(ValueError, match=rf"operator 'larger' \(.*mine/operators/larger\.py\): {message}"):
        vocabulary()


def test_an_operator_is_one_module(folder: Path) -> None:
    (folder / "operators" / "larger.py").write_text(OPERATOR + "\n\nclass Smaller(nn.Module):\n    pass\n")
    add_folders([folder])
    with pytest.raises(ValueError, match=r"larger\.py\): must define exactly one Module, got 2"):
        build_operator("z", dims=2, channels=8, gate=GateSettings())


@pytest.mark.parametrize(("kind", "name"), [(DATASETS, "acdc"), (METHODS, "fusion"), (STUDIES, "gate")])
def test_no_two_entries_share_a_name(tmp_path: Path, kind: catalogue.Kind, name: str) -> None:
    other = entries(kind)[name].file
    add_folders([write_entries(tmp_path / "mine", {f"{kind.plural}/{name}.py": ""})])
    both = rf"two entries of the same name: .* \({other}\) and .*mine/{kind.plural}/{name}\.py\)"
    with pytest.raises(ValueError, match=both):
        entries(kind)


def test_a_folder_without_entries_is_refused(tmp_path: Path) -> None:
    (tmp_path / "baselines").mkdir()
    for wrong in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match=rf"--entries {wrong}: must be a folder that holds at least one of .*meth"):
            add_folders([wrong])
    assert catalogue.folders() == ()


def install(site: Path, points: str) -> None:
    """What an installer leaves of a package: its modules, and beside them its metadata."""
    write_entries(
        site,
        {
            "made_up/__init__.py": "from made_up.nudge import Nudge\n",
            "made_up/nudge.py": METHOD,
            "made_up/_amount.py": "AMOUNT = 0.5\n",
            "made_up/larger.py": OPERATOR,
            "made_up-1.5.dist-info/METADATA": "Metadata-Version: 2.1\nName: made-up\nVersion: 1.5\n",
            "made_up-1.5.dist-info/entry_points.txt": points,
        },
    )


LOAD = (
    "from fusemorph.catalogue import *; from fusemorph.fusion.plan import vocabulary\n"
    "from fusemorph.method import load_method\n"
    "print(entries(METHODS)['nudge'].origin, '|', vocabulary().get('z'))\n"
    "try:\n    print(type(load_method({'name': 'nudge'})).__name__)\nexcept ValueError as error:\n    print(error)"
)


@pytest.mark.parametrize("module", ["made_up.nudge", "made_up:Nudge"])
def test_an_installed_package_brings_entries(tmp_path: Path, module: str) -> None:
    points = f"[fusemorph.methods]\nnudge = {module}\n[fusemorph.operators]\nlarger = made_up.larger\n"
    install(tmp_path, points)
    origin, method = in_a_process(LOAD, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}").splitlines()
    assert origin.startswith(f"made-up 1.5, {module.split(':')[0]} | ")
    assert "name='larger', symbol='z'" in origin
    assert method == "Nudge"


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("made_up.shove", "method 'nudge' of made-up 1.5: there is no module made_up.shove"),
        ("made_up:Shove", "must define exactly one Method, got 0"),
        ("made_up.larger", "must define exactly one Method, got 0"),
    ],
)
def test_a_wrong_entry_point_is_named_with_its_package(tmp_path: Path, module: str, message: str) -> None:
    install(tmp_path, f"[fusemorph.methods]\nnudge = {module}\n")
    assert message in in_a_process(LOAD, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}").splitlines()[-1]


def test_the_contract_decides_what_counts() -> None:
    assert catalogue.load_entry(OPERATORS, "sum", nn.Module).__name__ == "Sum"  # which imports another operator
    assert issubclass(catalogue.load_entry(METHODS, "syn", Method), Method)
