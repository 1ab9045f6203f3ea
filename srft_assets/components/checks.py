"""Asset checks: rows that must not be there, a critic's agreement, and what is in sync."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from srft_assets.components.asset import asset_key, tags_of
from srft_assets.components.metadata import markdown_table, preview, printable
from srft_assets.components.partitioning import partition_of
from srft_assets.components.platform import Platform
from srft_assets.critic.scores import CRITIC_SCORES, judge
from srft_assets.critic.spec import Threshold
from srft_assets.errors import SrftError
from srft_assets.platform.planning import look
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.text import some
from srft_assets.trajectories.batches import batch_names
from srft_assets.warehouse.plan import Item, Snapshot, State
from srft_assets.warehouse.query import offending_rows
from srft_assets.warehouse.stage import Stage

IN_SYNC = "in_sync"
ROWS = 50
"""Partitions that the table of `in_sync` shows."""
BATCHES_TOLD = 20
WHY_CHARS = 300
PAGE_CHARS = 2000
"""Of a reason, on a partition's page: a batch may be made from thousands of files."""
PLANNED = (State.IN_SYNC, State.MISSING, State.STALE, State.WAITING)
"""States that a plan tells; all are counted, so that their plots have no gaps."""
NEVER_MADE = "nothing is there yet: srft ingest PATH, or srft demo"
WATCHED = {
    "runs_graded": "Somebody said of every run whether it failed: a critic judges failed runs",
    "steps_labelled": "At most 5% of the steps that the critic was asked for have no label",
    "tokens_trained": "Of every batch some tokens are trained",
    "runs_untainted": "How many runs were left out because they are tainted, and why",
    "runs_whole": "No run was cut, left out or refused for its length",
    "batches_trained": "The batches that are trained on, where `training.batches` leaves some out",
    "rows_trained": "No row is too long to be trained on",
}
"""By name of a watch, what its check asks."""
DESCRIPTION = (
    "Every partition is what would be made now: from this code, these settings, these inputs"
)


def sql_check(
    asset: str,
    name: str,
    description: str,
    parameters: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> dg.AssetChecksDefinition:
    """A check that passes where `sql/checks/<name>.sql` finds no row, over all partitions; else it
    names those that have some, as `batch`.

    It is no partitioned check: in Dagster 1.13 the result of a run over a range of partitions bears
    none of them, and a check shows its last result, which would hide a batch that failed before.
    A check of Dagster has no tags: it bears those of its asset as metadata.
    """

    @dg.asset_check(
        asset=asset_key(asset), name=name, description=description, blocking=False, metadata=tags
    )
    def check(platform: Platform) -> dg.AssetCheckResult:
        try:
            rows = offending_rows(platform.home(), SCHEMAS, name, parameters or {})
        except SrftError as error:  # a damaged file of another batch: told here, and no run fails
            return dg.AssetCheckResult(passed=False, description=printable(str(error)))
        if rows.is_empty():
            return dg.AssetCheckResult(passed=True, metadata={"offending_rows": 0})
        batches = some(sorted(rows["batch"].unique()), BATCHES_TOLD)
        return dg.AssetCheckResult(
            passed=False,
            description=printable(f"{rows.height:,} rows in {batches}"),
            metadata={
                "offending_rows": rows.height,
                "batches": printable(batches),
                "first": dg.MetadataValue.md(preview(rows)),
            },
        )

    return check


def critic_good_enough(critic: str, threshold: Threshold) -> dg.AssetChecksDefinition:
    """The check that the critic reaches its threshold on every gold set that is large enough."""
    asset = f"critic_scores/{critic}"

    @dg.asset_check(
        asset=asset_key(asset),
        name="critic_good_enough",
        description="The critic agrees with gold labels as well as its YAML asks for",
        blocking=False,
        metadata={"critic": critic, "family": "critic"},
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


def in_sync_checks(
    known: Mapping[str, Stage], stages: Callable[[], Mapping[str, Stage]]
) -> dg.AssetChecksDefinition:
    """The check of all assets in one: a run plans once, after all that it made.

    `stages` reads the graph as the files state it by then, which may be edited during the run.
    """
    specs = [
        dg.AssetCheckSpec(
            IN_SYNC, asset=asset_key(key), description=DESCRIPTION, metadata=tags_of(stage)
        )
        for key, stage in known.items()
    ]

    @dg.multi_asset_check(name=IN_SYNC, specs=specs, can_subset=True, description=DESCRIPTION)
    def check(
        context: dg.AssetCheckExecutionContext, platform: Platform
    ) -> Iterator[dg.AssetCheckResult]:
        checked = context.selected_asset_check_keys
        assets = [key.asset_key.to_user_string() for key in checked]
        try:
            seen = look(stages(), platform.home(), assets)
        except SrftError as error:
            told = [_verdict(asset, f"there is no plan: {error}", passed=False) for asset in assets]
        else:
            told = [_looked_at(key, seen.items[key], key in seen.needed) for key in assets]
        for one in told:
            yield dg.AssetCheckResult(**one)

    return check


def watch_checks(
    stages: Mapping[str, Stage], now: Callable[[], Mapping[str, Stage]]
) -> dg.AssetChecksDefinition:
    """What partitions in sync would leave unsaid, over all of each asset; `Stage.watches`.

    `now` reads the graph as the files state it by then.
    """
    specs = [
        dg.AssetCheckSpec(
            watch, asset=asset_key(key), description=WATCHED[watch], metadata=tags_of(stage)
        )
        for key, stage in stages.items()
        for watch in stage.watches
    ]

    @dg.multi_asset_check(name="watches", specs=specs, can_subset=True)
    def check(
        context: dg.AssetCheckExecutionContext, platform: Platform
    ) -> Iterator[dg.AssetCheckResult]:
        home = platform.home()
        warehouse, batches = Snapshot(home.warehouse), batch_names(home)
        stated = {**stages, **now()}
        for key in context.selected_asset_check_keys:
            asset = key.asset_key.to_user_string()
            stage = stated[asset]
            names = batches if stage.partitioned_by == "batch" else warehouse.partitions(asset)
            watch = stage.watches.get(key.name)
            said = watch(home, warehouse, names) if watch else None
            yield dg.AssetCheckResult(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=said is None or not said.warns,
                severity=dg.AssetCheckSeverity.WARN,
                description=printable(said.line) if said else "nothing to say",
            )

    return check


def evaluation(asset: str, items: Sequence[Item], needed: bool = False) -> dg.AssetCheckEvaluation:
    """What the check says of an asset: counts by state, and which partitions are not, and why.

    It fails where a partition is not in sync, and where none is there although one is needed.
    """
    return dg.AssetCheckEvaluation(**_looked_at(asset, items, needed))


def _looked_at(asset: str, items: Sequence[Item], needed: bool) -> dict[str, Any]:
    lacking = not items and needed
    counts = Counter(item.state for item in items)
    other = [item for item in items if item.state is not State.IN_SYNC]
    metadata: dict[str, Any] = {str(state): counts[state] for state in PLANNED}
    if other:
        metadata["first"] = dg.MetadataValue.text(_line(other[0]))
        metadata["not in sync"] = dg.MetadataValue.md(_table(other))
    told = NEVER_MADE if lacking else _summary(counts, len(items))
    return _verdict(asset, told, passed=not other and not lacking, metadata=metadata)


def _verdict(asset: str, told: str, **more: Any) -> dict[str, Any]:
    """What a result of a run and an evaluation without one have in common."""
    return {
        "asset_key": asset_key(asset),
        "check_name": IN_SYNC,
        "severity": dg.AssetCheckSeverity.WARN,
        "description": printable(told),
        **more,
    }


def observation(item: Item, stage: Stage) -> dg.AssetObservation:
    """What is told of one partition on its page. Plain text: nothing in it is rendered."""
    why = {"why": dg.MetadataValue.text(_reason(item, PAGE_CHARS))} if item.why else {}
    return dg.AssetObservation(
        asset_key(item.asset),
        partition=partition_of(stage, item.partition),
        description=str(item.state),
        metadata={"state": str(item.state), **why},
    )


def _summary(counts: Counter[State], total: int) -> str:
    if not total:
        return "not in use: made when it is asked for"
    told = [f"{counts[state]} {state}" for state in PLANNED if counts[state]]
    return f"{', '.join(told)} of {total} partitions" if len(told) > 1 else told[0]


def _line(item: Item) -> str:
    told = f"{item.partition} is {item.state}"
    return f"{told}: {_reason(item, WHY_CHARS)}" if item.why else told


def _reason(item: Item, chars: int) -> str:
    told = printable("; ".join(item.why))
    return told if len(told) <= chars else told[: chars - 1] + "…"


def _table(items: Sequence[Item]) -> str:
    rows = [(item.partition, str(item.state), "; ".join(item.why)) for item in items[:ROWS]]
    told = markdown_table(("partition", "state", "why"), rows, WHY_CHARS)
    rest = len(items) - len(rows)
    return f"{told}\n\n… and {rest} more: `srft plan {items[0].asset}`" if rest else told
