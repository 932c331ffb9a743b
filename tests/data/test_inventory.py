"""What ``check`` and ``datasets`` say of published data sets."""

import re
import shlex
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from experiments.runner.command_line import parse
from fusemorph.catalogue import DATASETS, load_entry
from fusemorph.cli import main
from fusemorph.data import Dataset, known_datasets, open_dataset
from fusemorph.data.check import check
from fusemorph.data.curation import TABLES, excluded, overlaps, same_subject, wrong_headers
from fusemorph.data.datasets.abide import Abide
from fusemorph.data.datasets.buckner import Buckner
from fusemorph.data.datasets.ixi import Ixi
from fusemorph.data.datasets.mindboggle import Mindboggle
from fusemorph.data.datasets.mnms import Mnms
from fusemorph.data.table import read_table


def run(kind: type[Dataset], arguments: dict[str, Any], tmp_path: Path) -> int:
    settings = [f"{name}={','.join(map(str, value)) if isinstance(value, list) else value}"
                for name, value in arguments.items() if name != "data"]  # fmt: skip
    options = [word for setting in settings for word in ("--set", setting)]
    return main(["check", kind.name, "--data", str(arguments["data"]), "--cache", str(tmp_path / "cache"), *options])


def test_a_set_is_counted_and_the_line_that_runs_a_study_is_one_that_the_sweep_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "a folder"
    assert run(Mindboggle, Mindboggle.example(data), tmp_path) == 0
    output = capsys.readouterr().out
    for words in ("layout", "official", "8 of 99", "NKI-RS-22 (2)", "10 of 10", "62: 1002 left caudal anterior cing"):
        assert words in output
    assert "58 of the 62 labels are in no scan: 1003 left caudal middle frontal, " in output
    assert re.search(
        r"warning: .*HLN-12-1/t1weighted_brain.nii.gz: the header .*issues/186\); its axes are LIA", output
    )
    assert "warning: 91 of the 99 subjects of the whole set are not here\n" in output
    assert "note: shares subjects with oasis: OASIS-TRT-20" in output
    line = re.search("^to run a study: python -m experiments.sweep (.*)$", output, flags=re.MULTILINE)
    assert line is not None
    options = parse(shlex.split(line[1]))
    assert options is not None
    assert options.data.datasets == ("mindboggle",)
    assert options.data.folders == {"mindboggle": data}
    opened = open_dataset("mindboggle", data, cache=tmp_path / "cache", **dict(options.data.settings))
    assert opened.shape == (24, 28, 24)


def test_images_that_are_left_out_are_named_with_the_reason_and_not_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(Mnms, Mnms.example(tmp_path / "set"), tmp_path) == 0
    output = capsys.readouterr().out
    assert "note: " in output
    assert "B0P3R6_sa.nii.gz: left out: has no labels (Training/Unlabeled)" in output
    assert output.count("B0P3R6_sa.nii.gz") == 1
    assert "7 of 320" in output


def test_heads_are_told_from_brains(tmp_path: Path) -> None:
    """A brain fills less than 2.2 litres; with scalp, or with noise in the air around it, it fills more."""
    arguments = Ixi.example(tmp_path / "heads")
    for path in (tmp_path / "heads").glob("*-T1.nii.gz"):
        image = nib.Nifti1Image.from_filename(path)
        nib.Nifti1Image(np.asarray(image.dataobj), image.affine @ np.diag([9, 9, 9, 1])).to_filename(path)
    arguments["spacing_mm"] = 9.0
    found = [finding.message for finding in check("ixi", cache=tmp_path / "cache", **arguments)]
    assert any(re.match("8 images show heads, with skulls: remove them first", message) for message in found)
    found = [
        finding.message for finding in check("buckner", cache=tmp_path / "cache", **Buckner.example(tmp_path / "b"))
    ]
    assert not any("skulls" in message for message in found)


def test_one_scan_under_two_names_across_splits_is_an_error(tmp_path: Path) -> None:
    arguments = Abide.example(tmp_path / "set")
    dataset = open_dataset("abide", cache=tmp_path / "cache", **arguments)
    first, second = (dataset.files(dataset.scan_ids(split)[0])[0] for split in ("train", "test"))
    second.write_bytes(first.read_bytes())
    found = check("abide", cache=tmp_path / "cache", **arguments)
    messages = [finding.message for finding in found]
    assert "1103 of the 1112 subjects of the whole set are not here, 11 of them known to have no image" in messages
    assert any(message.startswith("has no labels: a study can train on it") for message in messages)
    assert [finding.level for finding in found if "has the same content as" in finding.message] == ["error"]


def test_ids_that_a_spreadsheet_has_changed_are_named(tmp_path: Path) -> None:
    arguments = Abide.example(tmp_path / "set")
    table = tmp_path / "set" / "Phenotypic_V1_0b.csv"
    table.write_text(table.read_text().replace(",50953,", ",05-Sep-53,"))
    found = check("abide", cache=tmp_path / "cache", **arguments)
    assert [finding.level for finding in found] == ["error"]
    assert "'SUB_ID' must be an id such as 0050952, got '05-Sep-53'; a spreadsheet has made a date" in found[0].message


def test_every_data_set_says_how_to_come_by_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets"]) == 0
    output = capsys.readouterr().out
    for name in known_datasets():
        kind = load_entry(DATASETS, name, Dataset)
        assert f"{name}: {kind.title}\n" in output
        assert all((kind.licence, kind.source, kind.download))
        assert kind.layout or kind.synthetic
    assert main(["datasets", "ixi"]) == 0
    assert capsys.readouterr().out.startswith("ixi: IXI, brains of healthy volunteers\n  source   EPSRC")
    assert main(["datasets", "ixy"]) == 2
    assert "unknown data set 'ixy'; known: abide" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(TABLES.glob("*.csv")), ids=lambda path: path.stem)
def test_each_line_of_what_is_known_has_its_source(path: Path) -> None:
    if path.stem == "freesurfer":
        rows = read_table(path, required=("label", "name"), allowed=("label", "name"))
        assert len({row["label"] for row in rows}) == len({row["name"] for row in rows}) == len(rows) == 115
        return
    rows = read_table(path, required=("dataset", "source"), allowed=None)
    assert all(len(row["source"]) > 10 for row in rows)
    assert {row["dataset"] for row in rows} <= set(known_datasets())


def test_the_tables_are_found_by_the_name_of_the_set() -> None:
    assert len(wrong_headers("mindboggle")) == 14
    assert len(excluded("abide")) == 11
    assert same_subject("acdc") == {"076": "074"}
    assert set(overlaps("multi_atlas")) == {"mindboggle", "oasis"}
    assert set(overlaps("brains")) == {"abide", "adhd200", "adni", "ixi"}
    assert not overlaps("folder")
