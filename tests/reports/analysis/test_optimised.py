"""Arms are matched with what instance optimisation made of their results, on the committed study of baselines."""

from pathlib import Path

from reports.analysis.comparison import compare_studies
from reports.analysis.optimised import optimised_arms
from reports.tables.arms import overview

BASELINES = Path(__file__).parents[3] / "experiments" / "results" / "baselines"


def test_each_optimised_arm_is_found_by_its_parent() -> None:
    comparison = next(study for study in compare_studies([BASELINES]) if "hippocampus" in study.records.name)
    assert optimised_arms(comparison) == {name: f"{name}, refined" for name in ("affine", "voxelmorph_2", "AutoFuse")}
    shown = overview(comparison).shown.set_index("Arm")["Instance-optimised"]
    assert shown["AutoFuse"] == "0.731"
    assert shown["affine"] == "0.762"
    assert shown["early"] == ""


def test_a_study_without_any_has_no_column() -> None:
    comparison = compare_studies([BASELINES.parent / "quickstart"])[0]
    assert optimised_arms(comparison) == {}
    assert "Instance-optimised" not in overview(comparison).shown
