"""Outcomes as rows, and what the asset's page shows of them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from srft_assets.outcomes.model import TEST_OUTCOMES, Status, TestOutcome
from srft_assets.warehouse.stage import Listing

LISTED_LOGS = 50
FIRST = (Status.INFRA_ERROR, Status.TIMEOUT, Status.PATCH_FAILED, Status.UNRESOLVED)
LOOKED_AT = [*FIRST, *(status for status in Status if status not in FIRST)]
"""Statuses in the order in which their logs are listed."""


def frame(outcomes: Iterable[TestOutcome]) -> pl.DataFrame:
    """Rows of a `test_outcomes` partition."""
    rows = [{**asdict(one), "status": one.status.value} for one in outcomes]
    return pl.DataFrame(rows, schema=TEST_OUTCOMES, orient="row")


def figures_of(outcomes: list[TestOutcome]) -> dict[str, Any]:
    """For the asset's page: how many of each status, and of each grader."""
    statuses = Counter(one.status.value for one in outcomes)
    graders = Counter(f"graded by {one.grader}" for one in outcomes)
    return {
        "runs": len(outcomes),
        **dict(sorted(statuses.items())),
        **dict(sorted(graders.items())),
    }


def logs_of(outcomes: list[TestOutcome]) -> dict[str, Any]:
    """For the asset's page: where the logs of graded runs are, those of failures first."""
    kept = [one for one in outcomes if one.log and Path(one.log).is_absolute()]
    kept.sort(key=lambda one: (LOOKED_AT.index(one.status), one.trajectory_id))
    rows = [(one.trajectory_id, one.status, one.reason, one.log) for one in kept[:LISTED_LOGS]]
    return {"logs": Listing(("run", "status", "reason", "folder"), rows)} if rows else {}
