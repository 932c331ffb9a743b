"""Settings: from a command line's text to typed values, or an error that names them."""

from dataclasses import dataclass
from typing import Any

import pytest

from fusemorph.data.settings import canonical, parse_setting, read_settings


@dataclass(frozen=True, kw_only=True)
class Options:
    side: int = 8
    rate: float = 1.0
    task: str = "inter"
    strict: bool = False
    spacing_mm: tuple[float, ...] | None = None
    shape: tuple[int, ...] = (8, 8)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-2", -2),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("48,64,48", (48, 64, 48)),
        ("٤٨,٦٤", "٤٨,٦٤"),
        ("1_0,2", "1_0,2"),
        ("[" * 5000, "[" * 5000),
        ("1, .5", (1, 0.5)),
        ("[48, 64, 48]", [48, 64, 48]),
        ("null", None),
        ("true", True),
        ("labels", "labels"),
        ('"3"', "3"),
        ("a=b", "a=b"),
        ("a,b", "a,b"),
        ("1,b", "1,b"),
    ],
)
def test_a_value_is_json_or_numbers_or_text(text: str, value: Any) -> None:
    name, parsed = parse_setting(f"key={text}")
    assert (name, parsed, type(parsed)) == ("key", value, type(value))


@pytest.mark.parametrize("text", ["colour", "colour=", "=3", ""])
def test_what_is_no_setting_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f"--set must be KEY=VALUE, got '{text}'"):
        parse_setting(text)


def test_a_value_takes_the_annotated_type() -> None:
    options = read_settings(Options, {"rate": 4, "spacing_mm": [1, 2.5], "shape": [9, 9]}, dataset="made_up")
    assert options == Options(rate=4.0, spacing_mm=(1.0, 2.5), shape=(9, 9))
    assert [type(each) for each in (options.rate, *(options.spacing_mm or ()))] == [float, float, float]
    assert read_settings(Options, canonical(options), dataset="made_up") == options
    assert read_settings(Options, {"spacing_mm": None}, dataset="made_up") == Options()


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"side": "8"}, "'side' must be of type int, got '8'"),
        ({"side": 8.0}, "'side' must be of type int, got 8.0"),
        ({"side": True}, "'side' must be of type int, got True"),
        ({"side": None}, "'side' must be of type int, got None"),
        ({"rate": "fast"}, "'rate' must be of type float, got 'fast'"),
        ({"rate": float("inf")}, "'rate' must be finite, got inf"),
        ({"rate": 10**400}, "'rate' must be finite, got 1000"),
        ({"task": 1}, "'task' must be of type str, got 1"),
        ({"strict": 1}, "'strict' must be of type bool, got 1"),
        ({"spacing_mm": 1.5}, "'spacing_mm' must be of type tuple of float, got 1.5"),
        ({"spacing_mm": "1.5"}, "'spacing_mm' must be of type tuple of float, got '1.5'"),
        ({"spacing_mm": []}, "'spacing_mm' must be of type tuple of float, got "),
        ({"shape": [8, 8.5]}, "'shape' must be of type tuple of int, got "),
        ({"shape": [[8], [8]]}, "'shape' must be of type tuple of int, got "),
        ({"shape": {"x": 8}}, "'shape' must be of type tuple of int, got "),
    ],
)
def test_a_value_of_another_type_names_dataset_setting_and_rule(values: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=f"^made_up: {rule}"):
        read_settings(Options, values, dataset="made_up")
