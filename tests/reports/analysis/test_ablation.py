"""Paths change one setting at a time over what was trained; diagrams and bands against cases worked by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from reports.analysis import search as search_summaries
from reports.analysis.ablation import FINISHED, Ablation, analyse
from reports.analysis.ablation_path import MOST_CHANGES, ablation_path, network, values_of
from reports.figures.ablation import ablation_figures, findings
from reports.page import write_report
from reports.plots import ablation as ablation_plots
from reports.plots.plan_diagram import diagram, reading
from reports.plots.style import FAINT, style
from reports.records.definitions import CONTROL, SEARCH
from reports.records.search import load_searches
from reports.tables.ablation import ablation_tables
from tests.reports.records_fixture import write_records
from tests.reports.search_fixture import BASE, FOUND, Entry, Proposal, search_and_control, write_search

SETTINGS = [{"name": "gate.temperature", "values": [0.5, 1.0, 2.0]}, {"name": "gate.hard", "values": [False, True]}]


def gains_by_network(**gains: float) -> dict[object, float]:
    """Gains by plan as a path looks them up."""
    return {network(values_of(plan.replace("_", "-"))): gain for plan, gain in gains.items()}


def analysed(folder: Path) -> Ablation:
    return analyse(load_searches([folder])[0])


def test_a_path_goes_over_what_was_trained() -> None:
    gains = gains_by_network(jjjjjjj=0.1, jjjjjgj=0.3, jjjjjgg=0.2, jjjjjjg=0.9, gjjjjgg=0.4)
    steps = ablation_path(values_of("jjjjjjj"), values_of("gjjjjgg"), gains)  # type: ignore[arg-type]
    # Of the six orders two have no gap; stage 7 first has the better mean: (.1 + .9 + .2 + .4) / 4.
    assert steps["configuration"].tolist() == ["jjjjjjj", "jjjjjjg", "jjjjjgg", "gjjjjgg"]
    assert steps["gain"].tolist() == pytest.approx([0.1, 0.9, 0.2, 0.4])
    assert steps["change"].tolist() == ["", "stage 7 joint → gate", "stage 6 joint → gate", "stage 1 joint → gate"]


def test_what_was_not_trained_is_a_gap() -> None:
    gains = gains_by_network(jjjjjjj=0.1, jjjjjgg=0.2)
    steps = ablation_path(values_of("jjjjjjj"), values_of("jjjjjgg"), gains)  # type: ignore[arg-type]
    assert steps["gain"].isna().tolist() == [False, True, False]
    assert steps["values"].iloc[1] in (values_of("jjjjjgj"), values_of("jjjjjjg"))


def test_dead_stages_are_no_changes() -> None:
    # A single operator at stage 7 cuts off all the others, so that AutoFuse becomes late fusion by one change.
    steps = ablation_path(values_of("ggggggg"), values_of("------s"), gains_by_network(ggggggg=0.1, ______s=0.2))  # type: ignore[arg-type]
    assert steps["configuration"].tolist() == ["ggggggg", "------s"]
    assert steps["gain"].tolist() == pytest.approx([0.1, 0.2])
    back = ablation_path(values_of("------s"), values_of("ggggggg"), {})
    assert back["configuration"].tolist() == ["------s", "ggggggg"]


def test_settings_of_gates_count_only_beside_a_gate() -> None:
    assert network(values_of("jjjjjjj") | {"gate.hard": True}) == network(values_of("jjjjjjj"))
    assert network(values_of("ggggggg") | {"gate.hard": True}) != network(values_of("ggggggg") | {"gate.hard": False})
    assert network({"gate.hard": True}) != network({"gate.hard": 1})
    assert network({"gate.temperature": 1}) == network({"gate.temperature": 1.0})


def test_too_many_changes_are_refused() -> None:
    start = {f"loss.{number}": 0.0 for number in range(MOST_CHANGES + 1)}
    with pytest.raises(ValueError, match=r"ablation_path\(\): 'start' and 'end' must differ in 10 settings, got 11"):
        ablation_path(start, dict.fromkeys(start, 1.0), {})


def test_the_paths_of_a_search(tmp_path: Path) -> None:
    search_and_control(tmp_path)
    first, second = analysed(tmp_path).paths
    assert (first.start, first.end, first.reason) == ("early", "AutoFuse", "")
    # Both ends were trained, at step 50 with .02 and .03; nothing on the way was.
    assert first.steps["gain"].dropna().tolist() == pytest.approx([0.02, 0.03])
    assert len(first.gaps) == 6
    assert second.reason == "both are the same configuration"
    shown = ablation_tables(analysed(tmp_path))["path"].shown
    assert (shown["Gain at step 50"] == "not trained").sum() == 6


def test_other_studies_by_the_same_rules_close_gaps(tmp_path: Path) -> None:
    search_and_control(tmp_path)
    plans = ("jjjjjgj", "jjjgggg")
    write_search(tmp_path, Entry(name="other", proposals=[Proposal(plan=plan, gains=(0.1, 0.2)) for plan in plans]))
    other = tmp_path / "studies" / "other.json"
    # The same arms as an ordinary study: what is left without the section on searching.
    entry = json.loads(other.read_text())
    del entry["search"]
    other.write_text(json.dumps(entry))
    records = load_searches([tmp_path], study="placement")[0]
    assert records.related["plan"].tolist() == list(plans)
    assert records.related["gain_50"].tolist() == pytest.approx([0.1, 0.1])
    assert len(analyse(records).paths[0].gaps) == 4
    entry["budget"] |= {"steps": 400}
    other.write_text(json.dumps(entry))
    assert load_searches([tmp_path])[0].related.empty


def test_a_search_over_settings_starts_from_its_base(tmp_path: Path) -> None:
    space = {"base": BASE | {"gate": {"temperature": 1.0, "hard": False}}, "operators": "", "parameters": SETTINGS}
    points = [(1.0, False, 0.1), (2.0, False, 0.2), (2.0, True, 0.4), (0.5, True, 0.3)]
    proposals = [
        Proposal(values={"gate.temperature": temperature, "gate.hard": hard}, gains=(gain, gain))
        for temperature, hard, gain in points
    ]
    write_search(tmp_path, Entry(name="gate", proposals=proposals, search={"space": space}))
    ablation = analysed(tmp_path)
    (path,) = ablation.paths
    assert path.steps["gain"].tolist() == pytest.approx([0.1, 0.2, 0.4])
    assert path.steps["change"].tolist() == ["", "gate.temperature 1.0 → 2.0", "gate.hard no → yes"]
    means = ablation.effects.set_index(["setting", "level"])["mean"]
    assert means["gate.temperature", "2.0"] == pytest.approx(0.3)
    assert means["gate.hard", "yes"] == pytest.approx(0.35)


def test_main_effects_of_search_and_control(tmp_path: Path) -> None:
    search_and_control(tmp_path)
    effects = analysed(tmp_path).effects.set_index(["part", "basis", "setting", "level"])
    assert effects.loc[(SEARCH, FINISHED, "stage 1", "joint"), "mean"] == pytest.approx(0.06)
    assert effects.loc[(SEARCH, "all that ended", "stage 1", "single"), "mean"] == pytest.approx(0.02)
    assert effects.loc[(CONTROL, "all that ended", "stage 1", "gate"), "mean"] == pytest.approx(-0.02)


def test_few_candidates_have_no_importance(tmp_path: Path) -> None:
    search_and_control(tmp_path)
    ablation = analysed(tmp_path)
    assert ablation.importances == {SEARCH: None, CONTROL: None}
    assert findings(ablation) == "No setting is above chance: none is shown to matter."
    assert ablation_tables(ablation)["importance"].shown.empty
    drawn = {captioned.name: captioned for captioned in ablation_figures(ablation)}
    assert drawn["importance"].figure is None
    assert "Fewer than 12 candidates" in drawn["importance"].caption


def test_a_diagram_is_grey_where_nothing_is_computed() -> None:
    with style():
        late = diagram(Figure().subplots(), "------s")
        early = diagram(Figure().subplots(), "jjjjjjj")
    assert [text.get_text() for text in late.texts] == ["s"]
    assert [text.get_text() for text in early.texts] == list("jjjjjjj")

    def faint(ax: object, height: float) -> int:
        arcs = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]  # type: ignore[attr-defined]
        assert len(arcs) == 9
        return sum(
            to_hex(line.get_color()) == FAINT
            for line in ax.lines  # type: ignore[attr-defined]
            if np.size(line.get_xdata()) == 2 and set(line.get_ydata()) == {height}
        )

    assert (faint(late, 0), faint(late, 1)) == (6, 0)
    assert (faint(early, 0), faint(early, 1)) == (0, 6)
    assert reading("sssssss").startswith("------s: stage 1 dead")


def test_a_path_is_dotted_across_a_gap() -> None:
    steps = pd.DataFrame(
        {
            "configuration": ["jjjjjjj", "jjjjjgj", "jjjjjgg"],
            "change": ["", "stage 6 joint → gate", "stage 7 joint → gate"],
            "gain": [0.1, np.nan, 0.2],
            "final": [np.nan, np.nan, 0.3],
        }
    )
    ax = ablation_plots.ablation_path(Figure().subplots(), steps)
    dotted, solid, *_, gaps = ax.lines
    assert dotted.get_linestyle() == ":"
    assert np.asarray(dotted.get_xdata()).tolist() == [0, 2]
    assert np.isnan(np.asarray(solid.get_ydata(), dtype=float)).tolist() == [False, True, False]
    assert np.asarray(gaps.get_xdata()).tolist() == [1]
    whole = ablation_plots.ablation_path(Figure().subplots(), steps.assign(gain=0.1))
    assert all(np.size(line.get_xdata()) for line in whole.lines if not line.get_clip_on())


def test_the_band_of_random_search_by_hand(tmp_path: Path) -> None:
    # Four candidates: two stopped, then .04 and .06. The median of the best of one falls among the stopped; of the best
    # of two it is .04, since P(best of two <= .04) = (3 / 4)^2 = .56 >= .5 > (2 / 4)^2.
    drawn = [Proposal(plan=p, gains=g, status=s, reason="") for p, g, s in (
        ("jjjjjjj", (0.0,), "pruned"), ("gjjjjjj", (0.01,), "pruned"), ("jgjjjjj", (0.0, 0.04), "finished"),
        ("jjgjjjj", (0.0, 0.06), "finished"),
    )]  # fmt: skip
    write_search(tmp_path, Entry(proposals=FOUND))
    write_search(tmp_path, Entry(name="placement-random", proposals=drawn, search={"control_of": "placement"}))
    band = search_summaries.random_band(load_searches([tmp_path])[0])
    assert band["middle"].tolist() == pytest.approx([np.nan, 0.04, 0.06, 0.06], nan_ok=True)
    assert band["high"].tolist() == pytest.approx([0.06] * 4)
    assert band["low"].tolist() == pytest.approx([0.04] * 4)
    assert (band["compute"] * 3600).tolist() == pytest.approx([36, 72, 108, 144])


def test_damaged_spaces_and_values_are_said(tmp_path: Path) -> None:
    parameters = [*SETTINGS, {"name": "loss.window"}, "width", {"name": "loss.kl_weight", "low": 0.0, "high": 1.0}]
    space = {"base": BASE, "operators": "", "parameters": parameters}
    values: list[dict[str, Any]] = [
        {"gate.temperature": 7.0, "loss.kl_weight": "much"},
        {"gate.temperature": None, "loss.kl_weight": 0.5},
    ]
    proposals = [Proposal(values=point, gains=(0.1, 0.1)) for point in values]
    write_search(tmp_path, Entry(proposals=proposals, search={"space": space}))
    ablation = analysed(tmp_path)
    assert "'loss.window'" in ablation.records.problems[0]
    assert "'width'" in ablation.records.problems[0]
    assert all(captioned.caption for captioned in ablation_figures(ablation))


def test_a_study_beside_a_search_changes_nothing(tmp_path: Path) -> None:
    search_and_control(tmp_path)
    write_records(tmp_path)
    assert load_searches([tmp_path])[0].related.empty


@pytest.mark.usefixtures("svg_alone")
def test_the_committed_search(tmp_path: Path) -> None:
    results = Path(__file__).parents[3] / "experiments" / "results"
    page = write_report(
        [results / "placement", results / "regularity"], tmp_path, study="placement-hippocampus-search"
    ).read_text(encoding="utf-8")
    # AutoFuse and early fusion were trained by the study of regularity, from the same budget and data.
    assert "ggggggg (AutoFuse)" in page
    assert "Above chance: stage 1 by fANOVA (search); stage 1 by PED-ANOVA (search)." in page
    assert "Core-hours" in page
    steps = pd.read_csv(tmp_path / "tables" / "placement-hippocampus-search_path.csv").set_index("configuration")
    assert steps.loc["jjjjjjj", "final"] == pytest.approx(0.0707, abs=1e-4)
    shares = pd.read_csv(tmp_path / "tables" / "placement-hippocampus-search_importance.csv")
    assert shares.groupby("method")["setting"].nunique().tolist() == [7, 7]
