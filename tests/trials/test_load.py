"""Loading a trial that anybody may have written: one clear error, and nothing that it names is run or read."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save

from fusemorph.cli import main
from fusemorph.storage import RecordError
from fusemorph.trials.load import load_trial
from tests.trained_trial import trained


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of a sound trial, to be spoiled."""
    copied = tmp_path / sound.name
    copied.mkdir()
    for path in sound.iterdir():
        if path.is_file():
            (copied / path.name).write_bytes(path.read_bytes())
    return copied


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads((folder / "record.json").read_text())
    change(record)
    (folder / "record.json").write_text(json.dumps(record))


def set_method(**settings: Any) -> Callable[[dict[str, Any]], object]:
    return lambda record: record["configuration"]["method"].update(settings)


HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no shape": (lambda record: record.pop("shape"), "'shape' and 'spacing_mm' must be those of a 2-D or 3-D grid"),
    "shape of text": (lambda record: record.update(shape="333"), "'shape' and 'spacing_mm' must be"),
    "many axes": (lambda record: record.update(shape=[8] * 10_000, spacing_mm=[1.0] * 10_000), "'shape' and"),
    "spacing of text": (lambda record: record.update(spacing_mm=["1", "1", "1"]), "'shape' and 'spacing_mm' must be"),
    "not finished": (lambda record: record.update(status="running"), "must hold a finished trial, it is running"),
    "path for a method": (set_method(name="../../evil"), r"unknown method '\.\./\.\./evil'"),
    "module for a method": (set_method(name="os"), "unknown method 'os'"),
    "unknown setting": (set_method(command="rm"), "settings of 'fusion' do not fit"),
    "plan of numbers": (set_method(plan=[1]), "record"),
    "channels of text": (set_method(channels="many"), "record"),
    "channels without end": (set_method(channels=[10**18] * 5), "'method' must have whole numbers up to 100000"),
    "channels beyond the weights": (set_method(channels=[50_000] * 5), "weights.* do not fit .* should have"),
    "gate of text": (set_method(plan="ggggggg", gate="open"), "record"),
    "negative channels": (set_method(channels=[-1] * 5), "record"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_record_is_one_clear_error(folder: Path, case: str) -> None:
    change, message = HOSTILE[case]
    rewrite(folder, change)
    with pytest.raises(ValueError, match=message) as caught:
        load_trial(folder)
    assert str(folder) in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_sound_trial_loads(folder: Path) -> None:
    method, network, record = load_trial(folder)
    assert (method.name, record["status"], network is not None) == ("fusion", "finished", True)


class Bomb:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.trace),)


def test_weights_are_never_unpickled(folder: Path, tmp_path: Path) -> None:
    (folder / "weights.safetensors").write_bytes(pickle.dumps(Bomb(tmp_path / "trace")))
    with pytest.raises(RecordError, match=r"weights\.safetensors cannot be read as weights"):
        load_trial(folder)
    assert not (tmp_path / "trace").exists()


def test_weights_of_whole_numbers_are_no_weights(folder: Path) -> None:
    path = folder / "weights.safetensors"
    path.write_bytes(save({name: tensor.long() for name, tensor in load_file(path).items()}))
    with pytest.raises(RecordError, match=r"do not fit .* holds torch\.int64 and should hold torch\.float32"):
        load_trial(folder)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "link to nowhere"])
def test_weights_are_a_file(folder: Path, kind: str) -> None:
    path = folder / "weights.safetensors"
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else folder / "nowhere")
    with pytest.raises(RecordError, match=r"weights\.safetensors must be a regular file"):
        load_trial(folder)


def test_a_record_runs_no_code_of_the_folders_that_it_names(folder: Path, tmp_path: Path) -> None:
    entries = tmp_path / "entries"
    (entries / "methods").mkdir(parents=True)
    (entries / "methods" / "evil.py").write_text(f"import os; os.mkdir({str(tmp_path / 'trace')!r})")
    (folder / "measured.json").write_text(json.dumps({"entries": [str(entries)]}))
    rewrite(folder, set_method(name="evil"))
    with pytest.raises(RecordError, match=r"unknown method 'evil'.*was made with --entries .*entries"):
        load_trial(folder)
    assert not (tmp_path / "trace").exists()


def test_the_command_says_it_in_one_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "record.json").write_text("[" * 10_000)
    image = str(tmp_path / "image.nii.gz")
    assert main(["register", image, image, "--method", str(folder), "--out", str(tmp_path / "out")]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_control_that_is_shown_label_maps_registers_no_images_of_users(tmp_path: Path) -> None:
    control = trained(tmp_path, method={"segmentation": "input", "segmentation_input": "true"})
    with pytest.raises(ValueError, match=f"{control.name}: a control, whose network must be shown the label maps"):
        load_trial(control)
