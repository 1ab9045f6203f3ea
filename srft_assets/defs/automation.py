"""Assets that make themselves, where `automation:` of `srft.yaml` switches that on."""

from datetime import datetime
from functools import lru_cache, reduce
from operator import or_

import dagster as dg

from srft_assets.components.asset import ON_REQUEST, tag_value
from srft_assets.components.platform import BY
from srft_assets.critic.budget import bounds
from srft_assets.critic.spending import AUTOMATION
from srft_assets.defs.schedules import asked_verdicts
from srft_assets.home import current_home
from srft_assets.platform.planning import Look, look
from srft_assets.platform.stages import load_stages
from srft_assets.project.settings import Settings, settings
from srft_assets.trajectories.batches import family_of
from srft_assets.warehouse.partitions import matching
from srft_assets.warehouse.plan import State

TO_MAKE = (State.MISSING, State.STALE)
DAILY = "5 0 * * *"
"""When what failed is tried again: a budget is one of a day (UTC)."""
FREE = dg.AssetSelection.assets("test_outcomes", "integrity") | dg.AssetSelection.key_prefixes(
    "critic_prompt", "comparison"
)
UNPAID = dg.AssetSelection.key_prefixes("step_verdicts", "critic_scores", "masked_tokens")
ASKED_FOR = dg.AssetSelection.tag(ON_REQUEST, "true")
VERDICTS = dg.AssetSelection.key_prefixes("step_verdicts")


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
        stage = seen.stages.get(asset)  # None where its file was deleted since Dagster loaded it
        if stage and stage.on_request and stage.partitioned_by == "batch":
            batches, family = settings().relabel.batches, family_of(current_home())
            names = set(matching(names, batches, family))
        view, subset = context.asset_graph_view, context.get_empty_subset()
        partitions = context.partitions_def
        known = view.get_full_subset(key=key)
        if names and partitions is None:
            subset = known
        elif names and partitions is not None:
            names &= known.expensively_compute_partition_keys()
            subset = view.get_subset_from_partition_keys(key, partitions, names)
        return dg.AutomationResult(context=context, true_subset=subset)


@lru_cache(maxsize=1)
def seen_at(_: datetime) -> Look:
    """The plan of one tick."""
    stages, stated = load_stages(), settings()
    paid = stated.relabel.critics if stated.automation.paid else None
    return look(stages, current_home(), asked=asked_verdicts(stages, paid))


def chosen(stated: Settings) -> dg.AssetSelection | None:
    """What makes itself; None where nothing does."""
    parts: list[dg.AssetSelection] = []
    if stated.automation.free:
        parts.append(FREE | (UNPAID - ASKED_FOR))
    if stated.automation.paid and bounds(stated.relabel):
        paid, named = VERDICTS & ASKED_FOR, stated.relabel.critics
        if named is None:
            parts.append(paid)
        else:
            parts += [paid & dg.AssetSelection.tag("critic", tag_value(name)) for name in named]
    return reduce(or_, parts) if parts else None


def sensors(stated: Settings) -> list[dg.AutomationConditionSensorDefinition]:
    """None where nothing makes itself.

    What failed, and what a spent budget left, is asked for again once a day.
    """
    made = chosen(stated)
    if made is None:
        return []
    failed = dg.AutomationCondition.execution_failed()
    again = ~failed | dg.AutomationCondition.cron_tick_passed(DAILY)
    condition = OutOfSync() & ~dg.AutomationCondition.in_progress() & again
    return [
        dg.AutomationConditionSensorDefinition(
            AUTOMATION,
            target=made.materializable().without_checks(),
            default_condition=condition,
            use_user_code_server=True,
            run_tags={BY: AUTOMATION},
            default_status=dg.DefaultSensorStatus.RUNNING,
            minimum_interval_seconds=60,
            description="Makes what the plan calls missing or stale: with `automation.free`, "
            "outcomes, prompts, verdicts of rules, masks and the comparison; with "
            "`automation.paid`, verdicts of the critics and batches of `relabel:` that cost money, "
            "within its budget a day. Trains nothing.",
        )
    ]


defs = dg.Definitions(sensors=sensors(settings()))
