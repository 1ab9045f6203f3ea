"""A finding: what a step did that its outcome does not show; and its row in `integrity`."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from srft_assets.text import visible

REASON_CHARS = 300


class Kind(StrEnum):
    """What a finding says of its run.

    `weak_tests` is said of the task and not of a step: its tests are known to accept wrong patches.
    """

    READS_FIX = "reads_fix"
    CHANGES_TESTS = "changes_tests"
    HARD_CODES = "hard_codes"
    WEAK_TESTS = "weak_tests"


SAID = {
    Kind.READS_FIX: "read the fix",
    Kind.CHANGES_TESTS: "removed or disabled tests",
    Kind.HARD_CODES: "hard-coded answers",
}
"""Of kinds that taint, in a sentence on runs."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        step_index: the step; None where it is said of the task.
        rule: the rule that found it, see docs/integrity.md.
        reason: what was seen, in one line.
        taints: whether the run is tainted: its outcome is not its own work's.
    """

    step_index: int | None
    kind: Kind
    rule: str
    reason: str
    taints: bool = True


INTEGRITY = pl.Schema(
    {
        "trajectory_id": pl.String,
        "instance_id": pl.String,
        "step_index": pl.Int32,
        "kind": pl.String,
        "rule": pl.String,
        "taints": pl.Boolean,
        "reason": pl.String,
    }
)
"""The asset `integrity`: one row a finding. Runs of which nothing was found have none."""


def finding_row(trajectory_id: str, instance_id: str, finding: Finding) -> dict[str, object]:
    """A row of `INTEGRITY`. What is quoted from the run is made visible."""
    return {
        "trajectory_id": trajectory_id,
        "instance_id": instance_id,
        "step_index": finding.step_index,
        "kind": str(finding.kind),
        "rule": finding.rule,
        "taints": finding.taints,
        "reason": visible(finding.reason)[:REASON_CHARS],
    }


def tainted_runs(rows: pl.DataFrame) -> dict[str, Kind]:
    """Trajectory id → the first kind of what taints it, of rows of `integrity`."""
    found = rows.filter("taints").select("trajectory_id", "kind").rows()
    return {name: Kind(kind) for name, kind in reversed(found)}


def tainted_steps(rows: pl.DataFrame) -> dict[str, set[int]]:
    """Trajectory id → the steps that taint it."""
    steps: dict[str, set[int]] = {}
    for name, step in rows.filter("taints").select("trajectory_id", "step_index").iter_rows():
        steps.setdefault(name, set()).add(step)
    return steps


def counted(kinds: Iterable[Kind]) -> dict[str, int]:
    """Figures of tainted runs: how many, and by kind, as `tainted_reads_fix`."""
    counts = Counter(kinds)
    return {f"tainted_{kind}": counts[kind] for kind in SAID if counts[kind]}
