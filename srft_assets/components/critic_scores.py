"""Judging critics: the assets `gold_labels` and `critic_scores/<critic>`, and their check."""

import dagster as dg

from srft_assets.components.asset import build_asset
from srft_assets.components.platform import Platform
from srft_assets.critic.gold.stage import gold_labels_stage
from srft_assets.critic.scores.schema import CRITIC_SCORES
from srft_assets.critic.scores.stage import critic_scores_stage
from srft_assets.critic.scores.threshold import Threshold, judge
from srft_assets.schemas import SCHEMAS


def gold_labels() -> dg.AssetsDefinition:
    """The asset `gold_labels`; one for the platform."""
    return build_asset(gold_labels_stage(), SCHEMAS)


def critic_good_enough(critic: str, threshold: Threshold) -> dg.AssetChecksDefinition:
    """The check that the critic reaches its threshold on every gold set that is large enough."""
    asset = critic_scores_stage(critic).key

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
