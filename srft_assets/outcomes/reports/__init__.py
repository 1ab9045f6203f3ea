"""Readers of the reports that graders leave behind."""

from srft_assets.outcomes.reports.instance import BadReportError
from srft_assets.outcomes.reports.reader import parse_report

__all__ = ["BadReportError", "parse_report"]
