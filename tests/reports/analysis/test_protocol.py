"""The protocol of a study, as far as its records bear it out."""

import json
import re
from pathlib import Path

from reports.analysis.comparison import compare
from reports.analysis.protocol import protocol
from reports.records.loading import load_studies
from tests.reports.analysis.test_comparison import compared
from tests.reports.records_fixture import ARMS, FUSION_ARMS, Records, write_records


def test_a_protocol_repeats_nothing_that_the_records_speak_against(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=ARMS[:2]))
    path = tmp_path / "studies" / "fusion.json"
    untrue = [
        "All arms share one objective.",
        "Every configuration is trained once.",
        "They are trained anew with fresh seeds.",
        "Only these see test.",
        "The recipe was chosen by mean val Dice over plans of either decoding.",
        "Matched arms have AutoFuse's parameters within 2 %.",
    ]
    definition = json.loads(path.read_text())
    for arm_entry, weight in zip(definition["arms"], (0.1, 0.2), strict=True):
        arm_entry["method"]["loss"] = {"kl_weight": weight}
    path.write_text(json.dumps(definition | {"protocol": [*untrue, "Refinement is on in all arms."]}))
    made = protocol(compare(load_studies([tmp_path])[0]))
    assert made.contradicted == tuple(untrue)
    assert made.stated == ("Refinement is on in all arms.",)
    assert "2 trained arms, 3 seeds each, trained for 600 steps (budget quick), with 2 different losses." in made.done
    assert "How the settings of training were chosen is not in the records of this study." in made.done


def test_how_close_matched_arms_came_is_measured(tmp_path: Path) -> None:
    done = protocol(compared(tmp_path, arms=FUSION_ARMS)).done
    assert "Arms matched by parameters have 1.00 of AutoFuse's parameters." in done
    assert any(
        re.match(r"Arms matched by FLOPs have 1\.00( to 1\.0\d)? of AutoFuse's FLOPs\.", sentence) for sentence in done
    )
