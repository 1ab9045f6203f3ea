"""Asset checks: a query of `sql/checks/` that must find nothing."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from srft_assets.components.metadata import preview
from srft_assets.components.platform import Platform
from srft_assets.critic.scores import CRITIC_SCORES, judge
from srft_assets.critic.spec import Threshold
from srft_assets.schemas import SCHEMAS
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.policy import forbidden
from srft_assets.warehouse.check import offending_rows


def sql_check(
    asset: str, name: str, description: str, parameters: Mapping[str, Any] | None = None
) -> dg.AssetChecksDefinition:
    """A check that passes where `sql/checks/<name>.sql` finds no row, over all partitions."""

    @dg.asset_check(asset=asset.split("/"), name=name, description=description, blocking=False)
    def check(platform: Platform) -> dg.AssetCheckResult:
        rows = offending_rows(platform.home(), SCHEMAS, name, parameters or {})
        return dg.AssetCheckResult(
            passed=rows.is_empty(),
            metadata={
                "offending_rows": rows.height,
                **({} if rows.is_empty() else {"first": dg.MetadataValue.md(preview(rows))}),
            },
        )

    return check


def steps_consecutive(asset: str) -> dg.AssetChecksDefinition:
    """Every run's steps are numbered 0, 1, 2, … and as many as the run says."""
    return sql_check(asset, "steps_consecutive", "Steps of a run are numbered 0, 1, 2, …")


def trajectory_ids_unique(asset: str) -> dg.AssetChecksDefinition:
    """A batch holds a run once."""
    return sql_check(asset, "trajectory_ids_unique", "A batch holds a run once")


def outcomes_add_up(asset: str) -> dg.AssetChecksDefinition:
    """One outcome a run, and counts that fit the status."""
    return sql_check(
        asset, "outcomes_add_up", "Every run has one outcome, and test counts fit its status"
    )


def verdicts_cover_steps(asset: str) -> dg.AssetChecksDefinition:
    """Every step of every judged run has exactly one verdict."""
    return sql_check(
        asset,
        "verdicts_cover_steps",
        "Every step of every judged run has exactly one verdict, and no other step has",
        {"critic": asset.split("/")[1]},
    )


def trained_tokens_accepted(asset: str, arm: ArmSpec) -> dg.AssetChecksDefinition:
    """No token outside an accepted step carries loss, as the arm's labels and control have it."""
    return sql_check(
        asset,
        "trained_tokens_accepted",
        "No token outside an accepted step is trained",
        {"arm": arm.name, **forbidden(arm)},
    )


def critic_good_enough(critic: str, threshold: Threshold) -> dg.AssetChecksDefinition:
    """The check that the critic reaches its threshold on every gold set that is large enough."""
    asset = f"critic_scores/{critic}"

    @dg.asset_check(
        asset=asset.split("/"),
        name="critic_good_enough",
        description="The critic agrees with gold labels as well as its YAML asks for",
        blocking=False,
    )
    def check(platform: Platform) -> dg.AssetCheckResult:
        warehouse = platform.warehouse()
        made = warehouse.stamp(asset) is not None
        scores = warehouse.read(asset) if made else CRITIC_SCORES.to_frame()
        judgement = judge(scores, threshold)
        return dg.AssetCheckResult(
            passed=judgement.passed,
            severity=dg.AssetCheckSeverity[threshold.severity.upper()],
            description=judgement.note,
            metadata=dict(judgement.measured),
        )

    return check
