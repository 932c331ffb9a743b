"""The HTML page."""

from reports.page.report import write_report

__all__ = ["write_report"]
