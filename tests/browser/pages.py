"""A page of a report opened in the browser: offline, and silent."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

OPEN_ALL = "for (const one of document.querySelectorAll('details')) one.open = true"
OPEN_STUDIES = "for (const one of document.querySelectorAll('details.study')) one.open = true"


@contextmanager
def opened(browser: Any, path: Path, **settings: Any) -> Iterator[Any]:
    """The page in a context of its own, ready, with its studies open; anything that it fetches or complains of fails
    the test."""
    context = browser.new_context(offline=True, **settings)
    page = context.new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(f"console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: messages.append(f"error: {error}"))
    page.on(
        "request",
        lambda request: messages.append(request.url[:80]) if not request.url.startswith(("data:", "blob:")) else None,
    )
    page.goto(path.as_uri())
    page.wait_for_load_state("load")
    if settings.get("java_script_enabled", True):
        page.wait_for_selector("body[data-ready]", state="attached")
        page.evaluate(OPEN_STUDIES)
        for viewer in page.query_selector_all(".viewer"):
            page.wait_for_selector(f"[id='{viewer.get_attribute('id')}'].live", state="attached")
    yield page
    context.close()
    assert messages == [path.as_uri()]
