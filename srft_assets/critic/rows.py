"""Verdicts as rows of a partition."""

from typing import Any

import polars as pl

from srft_assets.critic.verdict import Label, Verdict


def verdict_row(
    trajectory_id: str, verdict: Verdict, version: str, tokens_cut: int = 0
) -> dict[str, Any]:
    """A row of `STEP_VERDICTS`."""
    return {
        "trajectory_id": trajectory_id,
        "step_index": verdict.step_index,
        "label": str(verdict.label),
        "reason": verdict.reason,
        "rule": verdict.rule,
        "call": verdict.call or None,
        "version": version,
        "tokens_cut": tokens_cut,
    }


def shares(frame: pl.DataFrame) -> dict[str, float]:
    """Share of each label among the rows, for the asset's page."""
    total = max(frame.height, 1)
    counts = dict(frame.group_by("label").len().iter_rows())
    return {f"share_{label}": round(counts.get(str(label), 0) / total, 4) for label in Label}
