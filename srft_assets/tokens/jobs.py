"""The runs of an arm as jobs of masking: which steps are trained, and with what weight."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from srft_assets.critic.verdict import Label
from srft_assets.outcomes.model import Status
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.labels import Labels
from srft_assets.tokens.mask import Job
from srft_assets.tokens.policy import decide
from srft_assets.tokens.row import MaskedRow
from srft_assets.trajectories.schema import from_row

RUNS_AT_ONCE = 16
"""Runs that are read from the trajectories frame together."""


class Jobs:
    """The arm's runs of a batch, read a few at a time."""

    def __init__(
        self, arm: ArmSpec, frame: pl.DataFrame, status: Mapping[str, Status], labels: Labels
    ) -> None:
        self.arm, self.frame, self.status, self.labels = arm, frame, status, labels
        self.ids: list[str] = frame["trajectory_id"].to_list()
        self._fractions: dict[str, dict[int, float]] = {}

    def __iter__(self) -> Iterator[Job]:
        for rows in self.frame.iter_slices(RUNS_AT_ONCE):
            for row in rows.iter_rows(named=True):
                yield self._job(row)

    def _job(self, row: dict[str, Any]) -> Job:
        run = from_row(row)
        status = self.status.get(run.trajectory_id, Status.UNKNOWN)
        stated = self.labels.get(run.trajectory_id, {})
        labels = {s.step_index: stated.get(s.step_index, Label.UNLABELED) for s in run.steps}
        weights = decide(self.arm, run.trajectory_id, status, labels)
        if not {0.0, 1.0}.issuperset(weights.values()):
            self._fractions[run.trajectory_id] = weights
        names = {step: str(n) for step, n in labels.items()} if self.arm.labelled else {}
        return Job(run, {step: weight > 0 for step, weight in weights.items()}, names, status)

    def weighted(self, row: MaskedRow) -> MaskedRow:
        """The row of one of these runs, with weights where they are not 0 and 1."""
        weights = self._fractions.pop(row.trajectory_id, None)
        if weights is None:
            return row
        spans = (
            replace(span, weight=weights[span.step_index] if span.trained else None)
            for span in row.spans
        )
        return replace(row, spans=tuple(spans))
