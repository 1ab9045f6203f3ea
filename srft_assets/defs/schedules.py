"""The schedule that labels again at night what a changed prompt, critic or run made stale."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from srft_assets.components.asset import asset_key
from srft_assets.components.launch import RANGE_END, RANGE_START, consecutive
from srft_assets.components.metadata import kept_metadata
from srft_assets.components.partitioning import BATCH, name_of
from srft_assets.components.platform import BY, Platform
from srft_assets.critic.spending import NIGHTLY
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.platform.planning import Look, look
from srft_assets.platform.stages import load_stages
from srft_assets.project.settings import Relabel, settings
from srft_assets.text import some
from srft_assets.trajectories.batches import batch_names, family_of
from srft_assets.warehouse.partitions import ONLY, matching
from srft_assets.warehouse.plan import Item, State
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.stage import Stage

EVERY_NIGHT = "0 3 * * *"
PROMPT = "critic_prompt/"
FOUND = "integrity"
LABELLED = (FOUND, "step_verdicts", "masked_tokens")
ANY_ASSET = "__ASSET_JOB"
"""Dagster's job of all assets: the only one whose assets may have partitions of several kinds."""


def relabel_nightly(
    context: dg.ScheduleEvaluationContext, platform: Platform
) -> list[dg.RunRequest] | dg.SkipReason:
    """One run for all neighbouring batches of which the same assets are to be made.

    One run, because a run may start a server for its critics. `relabel:` of the project's settings,
    as it stands now, says which critics and batches.
    """
    assert context.repository_def is not None
    home, stated = platform.home(), settings().relabel
    known = {key.to_user_string() for key in context.repository_def.assets_defs_by_key}
    stages = load_stages()
    seen = look(stages, home, asked=asked_verdicts(stages, stated.critics))
    items = [item for asset in seen.items if asset in known for item in seen.items[asset]]
    if stated.critics is not None:
        items = [item for item in items if _may_be_made(item, stated.critics)]
    known_batches = batch_names(home)
    batches = matching(known_batches, stated.batches, family_of(home))
    if known_batches and not batches:
        fits_none = f"relabel.batches ({', '.join(stated.batches)}) fits none of: "
        return dg.SkipReason(fits_none + some(known_batches))
    context.instance.add_dynamic_partitions(BATCH, known_batches)
    of_batch = {batch: to_make(seen.stages, items, batch) for batch in batches}
    requests = [
        _request(keys, {RANGE_START: names[0], RANGE_END: names[-1]})
        for keys, alike in _alike(of_batch)
        for names in consecutive(alike, *_orders(context, keys, alike))
    ]
    if stated.overdue_hours is not None:
        for event in found_in_sync(home, seen, stated, batches):
            context.instance.report_runless_asset_event(event)
    left = stale_prompts(items) - {key for keys in of_batch.values() for key in keys}
    requests += [_request(sorted(left), {})] if left else []
    return requests or dg.SkipReason("all verdicts and masks are in sync")


def found_in_sync(
    home: Home, seen: Look, stated: Relabel, batches: Collection[str]
) -> Iterator[dg.AssetMaterialization]:
    """For the freshness policy of critics of which all these batches are in sync: one of them, as
    a run would tell of it that keeps it."""
    for asset, items in seen.items.items():
        of_these = [item for item in items if item.partition in batches]
        in_sync = bool(of_these) and all(item.state is State.IN_SYNC for item in of_these)
        if in_sync and stated.looks_after(asset):
            one = of_these[-1].partition
            figures = kept_metadata(seen.stages[asset], home, one)
            yield dg.AssetMaterialization(asset_key(asset), partition=one, metadata=figures)


def _orders(
    context: dg.ScheduleEvaluationContext, keys: Sequence[str], batches: Sequence[str]
) -> Iterator[Sequence[str]]:
    """The partitions of these assets in their order, in which the batches are by then."""
    assert context.repository_def is not None
    assets = context.repository_def.assets_defs_by_key
    for name in dict.fromkeys(name_of(assets[asset_key(key)].partitions_def) for key in keys):
        if name:
            context.instance.add_dynamic_partitions(name, batches)
            yield context.instance.get_dynamic_partitions(name)


def asked_verdicts(stages: Mapping[str, Stage], critics: Collection[str] | None) -> list[str]:
    """The verdicts of critics that `relabel.critics` names. Raises SrftError for an unknown one."""
    keys = [f"step_verdicts/{critic}" for critic in critics or ()]
    if unknown := [key for key in keys if key not in stages]:
        raise SrftError(f"relabel.critics: there is no {unknown[0]}")
    return keys


def _may_be_made(item: Item, critics: Collection[str]) -> bool:
    """Whether it is of these critics, or of none; what is in sync counts for what is behind it."""
    kind, _, name = item.asset.partition("/")
    of_others = kind in ("critic_prompt", "step_verdicts") and name not in critics
    return not of_others or item.state is State.IN_SYNC


def nightly(cron: str) -> dg.ScheduleDefinition:
    """The schedule; with a time that is none one that says so, starts nothing, and stops no other
    command."""

    def at(cron: str, evaluate: Callable[..., Any], more: str = "") -> dg.ScheduleDefinition:
        return dg.schedule(
            job_name=ANY_ASSET,
            name=NIGHTLY,
            cron_schedule=cron,
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.STOPPED,
            description=f"{more}Label again what a changed prompt, critic or run has made stale, "
            "as `relabel:` of srft.yaml says. A critic that costs money is asked where its "
            "verdicts exist, where an arm needs them, or where `relabel.critics` names it.",
        )(evaluate)

    try:
        return at(cron, relabel_nightly)
    except dg.DagsterInvalidDefinitionError:
        wrong = f"relabel.cron: {cron!r} is no time (five fields of cron, as {EVERY_NIGHT!r})"
        logging.getLogger(__name__).warning("%s: the schedule %s stands still", wrong, NIGHTLY)
        return at(EVERY_NIGHT, lambda: dg.SkipReason(wrong), f"Stands still. {wrong}. ")


def _request(assets: Sequence[str], tags: Mapping[str, str]) -> dg.RunRequest:
    """A run. Its key tells it from the others of the same tick, as Dagster demands."""
    return dg.RunRequest(
        run_key=digest([assets, tags])[:16],
        asset_selection=[asset_key(asset) for asset in assets],
        tags={BY: NIGHTLY, **tags},
    )


def stale_prompts(items: Sequence[Item]) -> set[str]:
    """Prompts that say something else by now, be it the same to the critic."""
    return {i.asset for i in items if i.asset.startswith(PROMPT) and i.state is State.STALE}


def _alike(of_batch: Mapping[str, Sequence[str]]) -> Iterator[tuple[Sequence[str], list[str]]]:
    """Batches by what is to be made of them, where that is anything."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for batch, keys in of_batch.items():
        groups.setdefault(tuple(keys), []).append(batch)
    return ((keys, batches) for keys, batches in groups.items() if keys)


def to_make(stages: Mapping[str, Stage], items: Sequence[Item], batch: str) -> list[str]:
    """Findings, verdicts and masks of `batch` that are out of sync and can be made, upstream first.

    With them come the prompts that they use; findings alone nobody asked for. Masks that wait for
    verdicts are made in the same run. What waits for anything else (runs that must be read again, a
    base model that is not there) is left to those who make that.
    """
    ready = {(item.asset, item.partition) for item in items if item.state is State.IN_SYNC}
    made: list[str] = []
    shown: set[str] = set()
    for item in items:
        if item.asset.split("/")[0] not in LABELLED or item.partition != batch:
            continue
        edges = stages[item.asset].upstream
        inputs = {
            (edge.asset, ONLY if edge.mapping == "whole" else batch)
            for edge in edges
            if edge.decides
        }
        if item.state is not State.IN_SYNC and inputs <= ready:
            ready.add((item.asset, batch))
            shown |= {edge.asset for edge in edges if not edge.decides} - _assets(ready)
            made.append(item.asset)
    return [*sorted(shown), *made] if set(made) - {FOUND} else []


def _assets(partitions: set[tuple[str, str]]) -> set[str]:
    return {asset for asset, _ in partitions}


defs = dg.Definitions(schedules=[nightly(settings().relabel.cron)])
