"""Schedule: verdicts and masks that are out of date are made again at night."""

from collections.abc import Mapping, Sequence

import dagster as dg

from srft_assets.components.platform import Platform
from srft_assets.components.stages import stages_of
from srft_assets.defs.jobs import relabel
from srft_assets.trajectories.batches import batch_names
from srft_assets.warehouse.plan import Item, State, make_plan
from srft_assets.warehouse.stage import Stage
from srft_assets.warehouse.store import ONLY

LABELLED = ("step_verdicts", "masked_tokens")


@dg.schedule(
    job=relabel,
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Every night, label again the batches whose critic or runs have changed.",
)
def relabel_nightly(
    context: dg.ScheduleEvaluationContext, platform: Platform
) -> list[dg.RunRequest] | dg.SkipReason:
    """One run for each batch with verdicts or masks out of sync, of those assets only."""
    defs = context.repository_def
    if defs is None:
        return dg.SkipReason("no definitions at hand")
    home = platform.home()
    batches = batch_names(home)
    stages = stages_of(defs.assets_defs_by_key.values())
    items = make_plan(
        stages, home, platform.warehouse(), lambda kind: batches if kind == "batch" else []
    )
    requests = [
        dg.RunRequest(
            partition_key=batch,
            asset_selection=[dg.AssetKey(key.split("/")) for key in keys],
            tags={"srft/by": "relabel_nightly"},
        )
        for batch in batches
        if (keys := to_make(stages, items, batch))
    ]
    return requests or dg.SkipReason("all verdicts and masks are in sync")


def to_make(stages: Mapping[str, Stage], items: Sequence[Item], batch: str) -> list[str]:
    """Verdicts and masks of `batch` that are out of sync and can be made, upstream first.

    Masks that wait for verdicts are made in the same run. What waits for anything else (runs
    that must be read again, a base model that is not there) is left to those who make that.
    """
    ready = {(item.asset, item.partition) for item in items if item.state is State.IN_SYNC}
    made = []
    for item in items:
        stage = stages[item.asset]
        labelled = item.asset.split("/")[0] in LABELLED
        if labelled and item.partition == batch and (item.asset, batch) not in ready:
            inputs = {
                (edge.asset, ONLY if edge.mapping == "whole" else batch) for edge in stage.upstream
            }
            if inputs <= ready:
                ready.add((item.asset, batch))
                made.append(item.asset)
    return made


defs = dg.Definitions(schedules=[relabel_nightly])
