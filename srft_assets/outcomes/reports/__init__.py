"""Readers of the reports that graders leave behind."""

from srft_assets.outcomes.reports.instance import BadReportError
from srft_assets.outcomes.reports.reader import Prediction, parse_report, read_predictions

__all__ = ["BadReportError", "Prediction", "parse_report", "read_predictions"]
