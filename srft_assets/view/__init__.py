"""Runs, verdicts and masks in the browser; labels that people give there. See docs/view.md."""
