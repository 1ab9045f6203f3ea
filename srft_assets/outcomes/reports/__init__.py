"""Importers of what graders leave behind."""

from srft_assets.outcomes.reports.model import BadReportError, ReportedOutcome
from srft_assets.outcomes.reports.reading import parse_report, read_reports

__all__ = ["BadReportError", "ReportedOutcome", "parse_report", "read_reports"]
