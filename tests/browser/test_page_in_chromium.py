"""The report's page as a reader opens it: offline, in both themes, on paper, by keyboard, without scripts."""

from pathlib import Path
from typing import Any

import pytest

from tests.browser.pages import OPEN_ALL, opened

pytestmark = pytest.mark.browser

PAINTED = """canvas => {
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return pixels.some((value, at) => at % 4 === 3 && value > 0);
}"""
PIXELS = "canvas => canvas.toDataURL()"


@pytest.fixture(params=["small_study", "committed"])
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_fetched_and_every_figure_is_shown(browser: Any, path: Path, theme: str) -> None:
    with opened(browser, path, color_scheme=theme) as page:
        page.evaluate(OPEN_ALL)
        boxes = page.eval_on_selector_all("figure svg", "all => all.map(one => one.getBoundingClientRect().height)")
        assert len(boxes) >= 10
        assert min(boxes) > 40
        shown = "all => all.filter(one => one.offsetParent).every(one => one.naturalWidth > 0)"
        assert page.eval_on_selector_all("img", shown)
        assert page.eval_on_selector_all("svg image", "all => all.every(one => one.getBoundingClientRect().width > 0)")
        assert all(canvas.evaluate(PAINTED) for canvas in page.query_selector_all("canvas"))


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_no_wider_than_its_window(browser: Any, path: Path, width: int) -> None:
    with opened(browser, path, viewport={"width": width, "height": 900}) as page:
        page.evaluate(OPEN_ALL)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_themes_turn_ink_and_ground_around(browser: Any, path: Path) -> None:
    brightness = "name => getComputedStyle(document.body)[name].match(/[0-9]+/g).reduce((sum, part) => sum + +part, 0)"
    for theme in ("light", "dark"):
        with opened(browser, path, color_scheme=theme) as page:
            ink, ground = (page.evaluate(brightness, name) for name in ("color", "backgroundColor"))
            assert (ink < 300 < 600 < ground) if theme == "light" else (ground < 150 < 500 < ink)


def test_slices_are_scrolled_by_keyboard(browser: Any, small_study: Path) -> None:
    with opened(browser, small_study) as page:
        viewer = page.locator(".viewer").first
        slices, canvas = viewer.locator(".slice"), viewer.locator(".blended")
        count = int(slices.get_attribute("max"))
        assert count > 4
        for target in (slices, viewer.locator(".panels")):
            target.focus()
            page.keyboard.press("Home")
            first = canvas.evaluate(PIXELS)
            assert slices.get_attribute("aria-valuetext").startswith(f"1 of {count} ")
            page.keyboard.press("ArrowRight")
            page.keyboard.press("ArrowUp")
            page.keyboard.press("ArrowLeft")
            assert slices.get_attribute("aria-valuetext").startswith(f"2 of {count} ")
            assert canvas.evaluate(PIXELS) != first
            page.keyboard.press("End")
            assert slices.input_value() == str(count)


def test_tab_reaches_every_control_and_focus_is_seen(browser: Any, small_study: Path) -> None:
    with opened(browser, small_study) as page:
        viewer = page.locator(".viewer").first
        viewer.locator(".slice").focus()
        for name in ("blend", "before", "lines", "panels"):
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.className") == name
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_blending_goes_from_fixed_to_warped_or_moving(browser: Any, small_study: Path) -> None:
    with opened(browser, small_study) as page:
        viewer = page.locator(".viewer").first
        blend, before, canvas = viewer.locator(".blend"), viewer.locator(".before"), viewer.locator(".blended")
        with_lines = canvas.evaluate(PIXELS)
        viewer.locator(".lines").focus()
        page.keyboard.press("Space")
        assert canvas.evaluate(PIXELS) != with_lines
        shown = {}
        for key in ("Home", "End"):
            for moving in (False, True):
                before.set_checked(moving)
                blend.focus()
                page.keyboard.press(key)
                shown[key, moving] = canvas.evaluate(PIXELS)
        assert shown["Home", False] == shown["Home", True]  # fixed alone
        assert len(set(shown.values())) == 3
        assert "moving" in viewer.locator("figcaption").first.inner_text()


def test_paper_has_all_slices_and_no_controls(browser: Any, small_study: Path) -> None:
    with opened(browser, small_study, color_scheme="dark") as page:
        page.emulate_media(media="print", color_scheme="dark")
        viewer = page.locator(".viewer").first
        assert viewer.locator(".montage img").first.is_visible()
        assert not viewer.locator(".controls").is_visible()
        assert not viewer.locator("canvas").first.is_visible()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert len(page.pdf(prefer_css_page_size=True)) > 100_000


def test_without_scripts_all_slices_are_seen(browser: Any, small_study: Path) -> None:
    with opened(browser, small_study, java_script_enabled=False) as page:
        viewer = page.locator(".viewer").first
        assert viewer.locator(".montage img").first.is_visible()
        assert not viewer.locator(".controls").is_visible()
