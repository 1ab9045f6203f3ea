"""Assets that make themselves, where `automation:` of `srft.yaml` switches that on."""

from datetime import datetime
from functools import lru_cache

import dagster as dg

from srft_assets.components.asset import ON_REQUEST
from srft_assets.components.platform import BY
from srft_assets.critic.spending import AUTOMATION, bounds
from srft_assets.home import current_home
from srft_assets.planning import Look, look
from srft_assets.settings import Settings, settings
from srft_assets.stages import load_stages
from srft_assets.warehouse.plan import State

TO_MAKE = (State.MISSING, State.STALE)
DAILY = "5 0 * * *"
"""When what failed is tried again: a budget is one of a day (UTC)."""
FREE = dg.AssetSelection.assets("test_outcomes") | dg.AssetSelection.key_prefixes(
    "critic_prompt", "comparison"
)
UNPAID = dg.AssetSelection.key_prefixes("step_verdicts", "critic_scores", "masked_tokens")
PAID = dg.AssetSelection.key_prefixes("step_verdicts") & dg.AssetSelection.tag(ON_REQUEST, "true")


class OutOfSync(dg.AutomationCondition):
    """Partitions that the plan of every other door calls missing or stale, and that somebody
    wants. What waits for its inputs is asked for once they are there."""

    @property
    def name(self) -> str:
        """As the page of an evaluation shows it."""
        return "out of sync"

    def evaluate(self, context: dg.AutomationContext) -> dg.AutomationResult:
        """Of one asset; all assets of a tick share one plan."""
        seen, key = seen_at(context.evaluation_time), context.key
        asset = key.to_user_string()
        names = {one.partition for one in seen.items.get(asset, ()) if one.state in TO_MAKE}
        view, subset = context.asset_graph_view, context.get_empty_subset()
        partitions = context.partitions_def
        if names and partitions is None:
            subset = view.get_full_subset(key=key)
        elif names and partitions is not None:
            subset = view.get_subset_from_partition_keys(key, partitions, names)
        return dg.AutomationResult(context=context, true_subset=subset)


@lru_cache(maxsize=1)
def seen_at(_: datetime) -> Look:
    """The plan of one tick."""
    return look(load_stages(), current_home())


def sensors(stated: Settings) -> list[dg.AutomationConditionSensorDefinition]:
    """None where nothing makes itself.

    What failed, and what a spent budget left, is asked for again once a day.
    """
    if not stated.automation.free and not stated.automation.paid:
        return []
    chosen = (FREE | (UNPAID - dg.AssetSelection.tag(ON_REQUEST, "true"))).materializable()
    paid = stated.automation.paid and bounds(stated.relabel)
    made = chosen | PAID if paid else chosen
    failed = dg.AutomationCondition.execution_failed()
    again = ~failed | dg.AutomationCondition.cron_tick_passed(DAILY)
    condition = OutOfSync() & ~dg.AutomationCondition.in_progress() & again
    return [
        dg.AutomationConditionSensorDefinition(
            AUTOMATION,
            target=made.without_checks(),
            default_condition=condition,
            use_user_code_server=True,
            run_tags={BY: AUTOMATION},
            default_status=dg.DefaultSensorStatus.RUNNING,
            minimum_interval_seconds=60,
            description="Makes what the plan calls missing or stale: outcomes, prompts, verdicts "
            "of rules, masks and the comparison; with `automation.paid`, verdicts of critics that "
            "cost money, within the budget a day of `relabel:`. Trains nothing.",
        )
    ]


defs = dg.Definitions(sensors=sensors(settings()))
