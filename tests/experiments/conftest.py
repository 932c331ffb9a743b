"""What the tests of studies share."""

import pytest


@pytest.fixture(autouse=True)
def reports_as_svg(svg_alone: None) -> None:
    """A sweep in the process of a test draws its report; what is in PNG and PDF is tested with the reports."""
