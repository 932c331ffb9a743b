"""What a reader does with the page: sort, search, save, switch arms off, follow points and links, go through slices."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from reports.page import write_report
from tests.browser.pages import OPEN_ALL, opened
from tests.reports.records_fixture import ARMS, Arm, Records, write_records
from tests.reports.search_fixture import search_and_control

pytestmark = pytest.mark.browser

WIDTHS = (390, 1280)
FIRST = "table => [...table.tBodies[0].querySelectorAll('tr[id]')].map(row => row.cells[3].textContent)"
PIXELS = "canvas => canvas.toDataURL()"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of made-up records: a study with pictures, and a search with its control."""
    folder = tmp_path_factory.mktemp("interactive")
    write_records(folder / "runs", Records(arms=ARMS, pictures=True))
    search_and_control(folder / "runs")
    return write_report([folder / "runs"], folder / "out")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing(browser: Any, study: Path, width: int, theme: str) -> None:
    with opened(browser, study, color_scheme=theme, viewport={"width": width, "height": 900}) as page:
        page.evaluate(OPEN_ALL)
        page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
        found = page.evaluate("axe.run(document).then(({ violations }) => violations)")
        assert [(violation["id"], violation["nodes"][0]["html"][:120]) for violation in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_first_paint_of_twelve_arms_is_told_and_their_page_is_small(
    browser: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Told and not judged: it is as fast as the machine is at that moment."""
    arms = tuple(
        Arm(label=f"arm {n}", plan=f"{'jsg'[n % 3] * 7}", group=f"{n // 3}", dice=0.6 + n / 100) for n in range(12)
    )
    write_records(tmp_path / "runs", Records(arms=arms, pictures=True, definition={"reference": "arm 0"}))
    path = write_report([tmp_path / "runs"], tmp_path / "out")
    told = []
    for _ in range(3):
        context = browser.new_context(offline=True)
        page = context.new_page()
        page.goto(path.as_uri())
        page.wait_for_load_state("load")
        (paint,) = page.evaluate("performance.getEntriesByName('first-contentful-paint').map(one => one.startTime)")
        timing = page.evaluate("performance.getEntriesByType('navigation')[0].toJSON()")
        context.close()
        assert paint > 0
        told.append((paint, timing["domInteractive"]))
    with capsys.disabled():
        paints = ", ".join(f"{paint:.0f} ms (text there after {there:.0f} ms)" for paint, there in told)
        print(f"\nFirst paint of a study of twelve arms, {path.stat().st_size / 1e6:.1f} MB: {paints}")
    assert path.stat().st_size < 8_000_000


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_tables_sort_both_ways(browser: Any, study: Path, by: str) -> None:
    with opened(browser, study) as page:
        table = page.locator("[id$=table-all_trials] table")
        values = [float(text) for text in table.evaluate(FIRST)]
        header = table.locator("thead th").nth(3)
        for expected in (sorted(values), sorted(values, reverse=True)):
            if by == "mouse":
                header.click()
            else:
                header.locator("[tabindex='0']").first.focus()
                page.keyboard.press("Enter")
            assert [float(text) for text in table.evaluate(FIRST)] == expected


def test_groups_are_headings_until_rows_are_sorted(browser: Any, study: Path) -> None:
    with opened(browser, study) as page:
        page.evaluate(OPEN_ALL)
        table = page.locator("[id$=table-leaderboard] table").first
        headings = table.locator("tr.dtrg-group")
        assert headings.count() >= 2
        table.locator("thead th").nth(1).click()
        assert headings.count() == 0
        assert "Group" in table.locator("thead").inner_text()


def test_rows_are_searched_and_columns_hidden(browser: Any, study: Path) -> None:
    with opened(browser, study) as page:
        figure = page.locator("[id$=table-all_trials]")
        figure.locator("input[type=search]").fill("early")
        assert {row.split("\t")[0] for row in figure.locator("tbody tr").all_inner_texts()} == {"early"}
        figure.get_by_role("button", name="Columns").click()
        figure.locator(".dt-button-collection").get_by_text("Seed", exact=True).click()
        page.keyboard.press("Escape")
        assert "Seed" not in figure.locator("thead").inner_text()


@pytest.mark.parametrize(
    ("button", "ending", "words"),
    [("CSV", "csv", '"AutoFuse"'), ("Markdown", "md", "| AutoFuse |"), ("LaTeX", "tex", r"AutoFuse & ")],
)
def test_tables_are_saved_from_the_page(browser: Any, study: Path, button: str, ending: str, words: str) -> None:
    with opened(browser, study, accept_downloads=True) as page:
        figure = page.locator("[id$=table-all_trials]")
        with page.expect_download() as saving:
            figure.get_by_role("button", name=button, exact=True).click()
        assert saving.value.suggested_filename.endswith(f"all_trials.{ending}")
        assert words in Path(saving.value.path()).read_text(encoding="utf-8")


def test_tables_are_copied(browser: Any, study: Path) -> None:
    with opened(browser, study, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.locator("[id$=table-all_trials]").get_by_role("button", name="Copy").click()
        page.wait_for_selector(".dt-button-info")
        assert "Copied" in page.locator(".dt-button-info").inner_text()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_an_arm_is_switched_off_in_all_figures(browser: Any, study: Path, by: str, width: int) -> None:
    with opened(browser, study, viewport={"width": width, "height": 900}) as page:
        drawn = page.locator("svg [data-arm=early]:visible")
        before, others = drawn.count(), page.locator("svg [data-arm=AutoFuse]:visible").count()
        assert before >= 6
        summary, box = page.locator(".switches summary").first, page.get_by_role("checkbox", name="early", exact=True)
        for action in ("off", "on"):
            if by == "mouse":
                summary.click() if not box.is_visible() else None
                box.click()
            else:
                summary.focus()
                page.keyboard.press("Enter") if not box.is_visible() else None
                box.focus()
                page.keyboard.press("Space")
            assert drawn.count() == (0 if action == "off" else before)
        assert page.locator("svg [data-arm=AutoFuse]:visible").count() == others


def test_a_point_tells_what_it_is_and_leads_to_its_trial(browser: Any, study: Path) -> None:
    with opened(browser, study) as page:
        group = page.locator("[id$=figure-distribution] [data-tooltips*='seed 1']").first
        group.locator("use, path").last.hover(force=True)
        tip = page.locator(".tip").inner_text()
        assert tip.startswith(group.get_attribute("data-arm") + ", seed ")
        assert "Dice 0." in tip
        group.locator("use, path").last.click(force=True)
        row = page.locator("tr:target")
        assert row.get_attribute("data-arm") == group.get_attribute("data-arm")
        assert f"seed {row.get_attribute('data-seed')}" in tip
        row.locator("a").click()
        shown = page.locator(":target")
        assert '"method"' in shown.inner_text()
        assert "validation Dice" in shown.inner_text()


def test_points_are_reached_by_keyboard(browser: Any, study: Path) -> None:
    with opened(browser, study) as page:
        page.locator("[id$=figure-distribution] .figure").focus()
        page.keyboard.press("ArrowRight")
        first = page.locator(".tip").inner_text()
        page.keyboard.press("ArrowRight")
        assert page.locator(".tip").inner_text() not in ("", first)
        page.keyboard.press("Enter")
        assert page.locator("tr:target").count() == 1
        page.locator("[id$=figure-distribution] .figure").focus()
        page.keyboard.press("Escape")
        assert page.locator(".tip").inner_text() == ""


def test_a_candidate_leads_from_its_line_to_its_row(browser: Any, study: Path) -> None:
    with opened(browser, study) as page:
        page.locator("[id$=figure-parallel] .figure").focus()
        page.keyboard.press("ArrowRight")
        assert "gain" in page.locator(".tip").inner_text()
        page.keyboard.press("Enter")
        assert page.locator("tr:target").get_attribute("data-seed") is not None


def test_links_lead_somewhere(browser: Any, study: Path) -> None:
    with opened(browser, study) as page:
        links = page.eval_on_selector_all("a[href]", "all => all.map(one => one.getAttribute('href'))")
        for link in links:
            if link.startswith("#"):
                assert page.evaluate("name => document.getElementById(name) !== null", link[1:]), link
            else:
                assert (study.parent / link).is_file(), link
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_slices_by_wheel_drag_pair_and_plane(browser: Any, study: Path, theme: str, width: int) -> None:
    with opened(browser, study, color_scheme=theme, viewport={"width": width, "height": 900}) as page:
        viewer = page.locator(".viewer").first
        canvas, slices, blend = viewer.locator(".blended"), viewer.locator(".slice"), viewer.locator(".blend")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        start, shown = int(slices.input_value()), canvas.evaluate(PIXELS)
        page.mouse.wheel(0, 100)
        page.wait_for_function("([one, value]) => +one.value === value", arg=[slices.element_handle(), start + 1])
        assert canvas.evaluate(PIXELS) != shown
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2 + 40, box["y"] + box["height"] / 2 + 14, steps=4)
        page.mouse.up()
        assert int(slices.input_value()) == start
        assert int(blend.input_value()) == 70
        status = viewer.locator(".shown").inner_text()
        assert status.startswith("Median pair")
        viewer.locator(".pair").select_option("worst")
        page.wait_for_function(
            "one => one.textContent.startsWith('Worst')", arg=viewer.locator(".shown").element_handle()
        )
        assert canvas.evaluate(PIXELS) != shown
        viewer.locator(".pair").select_option("median")
        viewer.locator(".plane").select_option("sagittal")
        page.wait_for_function(
            "one => one.textContent.includes('sagittal')", arg=viewer.locator(".shown").element_handle()
        )
        assert viewer.locator(".edges span").all_inner_texts() == ["P", "A", "I", "S"]
        assert "mm" in viewer.locator(".scale").inner_text()


def test_the_table_of_pairs_leads_to_the_viewer(browser: Any, study: Path) -> None:
    with opened(browser, study) as page:
        page.evaluate(OPEN_ALL)
        row = page.locator("[id$=table-shown_pairs] tr[id]").filter(has_text="worst").last
        row.locator("a").click()
        place = page.locator(f"[id='{row.locator('a').get_attribute('href')[1:]}']")
        shown = place.locator("xpath=ancestor::section").locator(".shown")
        page.wait_for_function("one => one.textContent.startsWith('Worst')", arg=shown.element_handle())


def test_text_of_figures_can_be_read_on_a_phone(browser: Any, study: Path) -> None:
    with opened(browser, study, viewport={"width": 390, "height": 900}) as page:
        page.evaluate(OPEN_ALL)
        sizes = page.eval_on_selector_all(
            "figure svg",
            """all => all.map(svg => {
              const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
              const size = one => scale * parseFloat(getComputedStyle(one).fontSize);
              return Math.min(...[...svg.querySelectorAll('text')].map(size));
            })""",
        )
        assert len(sizes) > 10
        assert min(sizes) >= 8.9


def test_without_scripts_the_page_says_the_same(browser: Any, study: Path) -> None:
    with opened(browser, study, java_script_enabled=False) as page:
        page.locator("details.study > summary").first.click()
        assert page.locator("[id$=table-leaderboard] tr.group").count() >= 2
        assert page.locator("[id$=figure-distribution] svg").is_visible()
        assert not page.locator(".switches").first.is_visible()
