"""Schedule: verdicts and masks that are out of date are made again at night."""

import dagster as dg

from srft_assets.components.platform import Platform
from srft_assets.components.stages import stages_of
from srft_assets.defs.jobs import relabel
from srft_assets.trajectories.batches import batch_names
from srft_assets.warehouse.plan import Item, State, make_plan

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
        if (keys := out_of_sync(items, batch))
    ]
    return requests or dg.SkipReason("all verdicts and masks are in sync")


def out_of_sync(items: list[Item], batch: str) -> list[str]:
    """Assets of verdicts and masks whose partition `batch` is not what it would be now.

    Masks that wait for verdicts are made in the same run. A batch whose runs or outcomes
    are themselves out of sync is left to ingest.
    """
    here = [item for item in items if item.partition == batch]
    upstream = [item for item in here if item.asset in ("trajectories", "test_outcomes")]
    if any(item.state is not State.IN_SYNC for item in upstream):
        return []
    return [
        item.asset
        for item in here
        if item.asset.split("/")[0] in LABELLED and item.state is not State.IN_SYNC
    ]


defs = dg.Definitions(schedules=[relabel_nightly])
