"""The page from whole, thin, broken and several records: it is built, stands alone, and says what it cannot say."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import reports.page.report
from reports.__main__ import main
from reports.page import write_report
from reports.page.table_library import table_library
from tests.reports.records_fixture import ARMS, Records, write_records


class Elements(HTMLParser):
    """Collects ids, links and resources of a page, and checks that its elements close."""

    VOID = frozenset({"input", "meta", "link", "br", "img", "path", "use", "image", "rect", "line"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.resources: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.ids += [values["id"]] if "id" in values else []
        if tag == "a":
            self.links.append(values["href"])
        else:
            self.resources += [values[name] for name in ("src", "href", "xlink:href") if name in values]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def without_library(page: Path) -> str:
    """The page without the library of its tables."""
    return page.read_text(encoding="utf-8").replace(str(table_library()), "")


def text_of(page: Path) -> str:
    """The page without its drawings."""
    return re.sub(r"<svg.*?</svg>", "", without_library(page), flags=re.DOTALL)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The page of a complete study with pictures."""
    folder = tmp_path_factory.mktemp("page")
    write_records(folder / "runs", Records(arms=(ARMS[0], ARMS[1], ARMS[3]), pictures=True))
    yield write_report([folder / "runs"], folder / "out")
    shutil.rmtree(folder)


def test_page_stands_alone(page: Path) -> None:
    content = page.read_text(encoding="utf-8")
    elements = Elements(content)
    assert elements.open == []
    text = re.sub(r'base64,[^"]*', "", without_library(page))
    assert not re.search(r"https?:|(?<!:)//\w|@import|<script\s|<iframe", text)
    assert all(resource.startswith(("#", "data:")) for resource in elements.resources)
    inside = [link for link in elements.links if link.startswith("#")]
    assert all(link.removeprefix("#") in elements.ids for link in inside)
    assert all((page.parent / link).is_file() for link in elements.links if link not in inside)
    assert len(content) < 8_000_000


def test_drawings_do_not_share_ids(page: Path) -> None:
    elements = Elements(without_library(page))
    assert len(elements.ids) == len(set(elements.ids))
    referred = re.findall(r'url\(#([^)]+)\)|xlink:href="#([^"]+)"', without_library(page))
    assert {first or second for first, second in referred} <= set(elements.ids)


def test_every_drawing_has_words(page: Path) -> None:
    content = without_library(page)
    alts = re.findall(r'<svg role="img" aria-label="([^"]*)"', content)
    assert len(alts) == content.count("<svg") >= 7 + 3
    assert all(len(alt) > 40 for alt in alts)


def test_drawings_follow_the_theme(page: Path) -> None:
    content = without_library(page)
    captioned_figures = "".join(re.findall(r"<svg.*?</svg>", content, flags=re.DOTALL))
    assert "currentColor" in captioned_figures
    assert not re.search(r"fill: #(24292f|fffffe)|stroke: #(24292f|c9ced6|868e99)", captioned_figures)
    assert "prefers-color-scheme: dark" in content
    assert "@media print" in content


def test_files_stand_beside_the_page(page: Path) -> None:
    for name in ("distribution", "differences", "regularity", "price", "training", "gates", "structures", "pairs0"):
        assert (page.parent / "figures" / f"fusion_{name}.svg").is_file()
        assert (page.parent / "figures" / f"fusion_{name}.png").read_bytes().startswith(b"\x89PNG")
        assert b"/FontFile2" in (page.parent / "figures" / f"fusion_{name}.pdf").read_bytes(), "text as text"
    assert (page.parent / "tables" / "fusion_arms.csv").is_file()
    assert "| 2g |" in (page.parent / "CHECKLIST.md").read_text(encoding="utf-8")
    assert not list(page.parent.glob("*.part"))


def test_page_says_what_it_must(page: Path) -> None:
    text = text_of(page)
    for words in (
        "No difference in mean Dice is shown between AutoFuse and the other trained arm, early.",
        "Selection split: figures are of val, on which choices were made (the official test files are not here",
        "Where should a registration network fuse its two images",
        "Refinement is on in all arms.",
        "Nothing: every planned trial is finished and evaluated.",
        "python -m experiments.sweep fusion",
        "Not measured in any arm: Endpoint error (mm).",
    ):
        assert words in text


def test_the_first_screen_answers_and_shows_all_arms_before_the_protocol(page: Path) -> None:
    content = page.read_text(encoding="utf-8")
    places = [content.index(words) for words in ("<dt>Which arm</dt>", "<dt>How sure</dt>", "<dt>Where it fuses</dt>")]
    places += [content.index(words) for words in ("<dt>At what price</dt>", 'aria-label="Forest plot of mean Dice')]
    places.append(content.index("Question and protocol</h2>"))
    assert places == sorted(places)
    alt = re.search(r'aria-label="Forest plot[^"]*best first: ([^"]*)"', content)
    assert alt
    means = [float(entry.rsplit(" ", 1)[1]) for entry in alt[1].split("; ")]
    assert means == sorted(means, reverse=True)
    assert len(means) == 3


def test_what_concerns_all_figures_and_tables_is_said_once(page: Path) -> None:
    text = text_of(page)
    assert text.count("on which choices were made") == 1
    assert "the selection split (choices were made on it)" not in text
    table = (page.parent / "tables" / "fusion_leaderboard.md").read_text(encoding="utf-8")
    assert "Split: val, the selection split (choices were made on it)." in table


@pytest.mark.usefixtures("svg_alone")
def test_incomplete_and_malformed_records(tmp_path: Path) -> None:
    folders = write_records(tmp_path / "runs", Records(arms=ARMS[:3]))
    shutil.rmtree(folders["early", "2"])
    (folders["early", "1"] / "record.json").write_text("{")
    record = folders["late", "0"] / "record.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"status": "failed", "reason": "loss <nan> at 7"}))
    text = text_of(write_report([tmp_path / "runs"], tmp_path / "out"))
    assert "Incomplete: 6 of 9 planned trials evaluated; 1 failed, 1 missing, 1 unreadable." in text
    assert "loss &lt;nan&gt; at 7" in text
    assert "cannot be read: Expecting" in text
    assert "Pictures of pairs. None were kept with the records" in text
    assert "no claim: one seed" in text


@pytest.mark.usefixtures("svg_alone")
def test_records_without_any_result(tmp_path: Path) -> None:
    for folder in write_records(tmp_path / "runs", Records(arms=ARMS[:2], seeds=1)).values():
        shutil.rmtree(folder)
    text = text_of(write_report([tmp_path / "runs"], tmp_path / "out"))
    assert "Nothing can be said yet: no trial has been evaluated on val." in text
    assert "nothing is drawn" in text


@pytest.mark.usefixtures("svg_alone")
@pytest.mark.parametrize("records", [{"seeds": 1, "blocks": 1}, {"arms": ARMS[:1], "seeds": 2}])
def test_thin_records(tmp_path: Path, records: dict[str, object]) -> None:
    write_records(tmp_path / "runs", Records(**{"arms": ARMS[:2]} | records))  # type: ignore[arg-type]
    page = write_report([tmp_path / "runs"], tmp_path / "out")
    assert ">nan<" not in text_of(page)


@pytest.mark.usefixtures("svg_alone")
def test_metrics_that_are_all_nan(tmp_path: Path) -> None:
    write_records(tmp_path / "runs", Records(arms=ARMS[:2], seeds=2))
    for path in tmp_path.glob("runs/*/eval/val/pairs.csv"):
        lines = path.read_text().splitlines()
        path.write_text("\n".join(["pair,block,dice", *(f"{number},x{number % 3}," for number in range(len(lines)))]))
    text = text_of(write_report([tmp_path / "runs"], tmp_path / "out"))
    assert "No pair has a Dice: nothing is drawn." in text
    assert "No claim can be made about early against AutoFuse (no values)." in text


@pytest.mark.usefixtures("svg_alone")
def test_broken_pictures_are_said(tmp_path: Path) -> None:
    folders = write_records(tmp_path / "runs", Records(arms=ARMS[:2], seeds=1, pictures=True))
    (folders["AutoFuse", "0"] / "eval" / "val" / "pictures.npz").write_bytes(b"no archive")
    np.savez(folders["early", "0"] / "eval" / "val" / "pictures.npz", best_fixed=np.zeros((4, 4), np.uint8))
    text = text_of(write_report([tmp_path / "runs"], tmp_path / "out"))
    assert "cannot be read as pictures" in text
    assert "holds no complete pair" in text


@pytest.mark.usefixtures("svg_alone")
def test_a_page_too_large_leaves_pictures_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_records(tmp_path / "runs", Records(arms=ARMS[:2], seeds=1, pictures=True, shape=(300, 200)))
    monkeypatch.setattr(reports.page.report, "MOST_PICTURE_BYTES", 700_000)
    text = text_of(write_report([tmp_path / "runs"], tmp_path / "out"))
    assert "Left out to keep the page small: see figures/fusion_pairs1.svg." in text


def test_several_studies_share_a_page_made_side_by_side_or_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [tmp_path / "runs", tmp_path / "more"]
    for folder, name in zip(runs, ("fusion", "gate-settings"), strict=True):
        write_records(folder, Records(arms=ARMS[:2], seeds=1, name=name))
    pages = []
    for many in (1_000_000, 1):
        monkeypatch.setattr(reports.page.report, "MANY_TRIALS", many)
        pages.append(write_report(runs, tmp_path / f"from {many}").read_text(encoding="utf-8"))
        assert (tmp_path / f"from {many}" / "tables" / "gate-settings_arms.csv").is_file()
    assert pages[0] == pages[1]
    elements = Elements(pages[0])
    assert {"#fusion", "#gate-settings"} <= set(elements.links)
    assert pages[0].count('<details class="study">') == 2
    assert len(elements.ids) == len(set(elements.ids))


@pytest.mark.usefixtures("svg_alone")
def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_records(tmp_path / "runs", Records(arms=ARMS[:2], seeds=1))
    out = tmp_path / "out"
    assert main([str(tmp_path / "runs"), "--out", str(out), "--study", "fusion", "--baseline", "early"]) == 0
    assert capsys.readouterr().out.strip() == str(out / "index.html")
    assert "more than the baseline, early, at 0." in text_of(out / "index.html")


@pytest.mark.usefixtures("svg_alone")
def test_the_margin_of_equivalence_is_set_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twin = replace(ARMS[0], label="twin", plan="gggggg/g")
    write_records(tmp_path / "runs", Records(arms=(ARMS[0], twin)))
    call = [str(tmp_path / "runs"), "--out", str(tmp_path / "out"), "--equivalence"]
    assert main([*call, "0"]) == 2
    assert "the equivalence margin must be a number above 0, got 0" in capsys.readouterr().err
    assert main([*call, "0.05"]) == 0
    assert "twin is level with AutoFuse, within ±0.050 Dice." in text_of(tmp_path / "out" / "index.html")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["nowhere", "--out", "out"], "nowhere is not a folder of runs"),
        ([".", "--out", "out"], "no readable study (NAME.json) in studies"),
        (["runs", "--out", "out", "--study", "speed"], "no study named 'speed'; there are: fusion"),
        (
            ["runs", "--out", "out", "--baseline", "x"],
            "study 'fusion' has no arm 'x' to compare with; there are: Auto",
        ),
        (["runs", "--out", "runs/studies/fusion.json"], "cannot write to runs/studies/fusion.json"),
        (["runs"], "the following arguments are required: --out"),
    ],
)
def test_wrong_calls(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_records(Path("runs"), Records(arms=ARMS[:2], seeds=1))
    try:
        status = main(options)
    except SystemExit as stopped:
        status = int(str(stopped.code))
    assert status == 2
    assert words in capsys.readouterr().err
