"""The asset check `in_sync`, and what is told of single partitions."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from srft_assets.components.metadata import markdown_table, printable
from srft_assets.components.platform import Platform
from srft_assets.errors import SrftError
from srft_assets.planning import look
from srft_assets.warehouse.plan import Item, State
from srft_assets.warehouse.stage import Stage

IN_SYNC = "in_sync"
ROWS = 50
"""Partitions that the check's table shows."""
WHY_CHARS = 300
PAGE_CHARS = 2000
"""Of a reason, on a partition's page: a batch may be made from thousands of files."""
PLANNED = (State.IN_SYNC, State.MISSING, State.STALE, State.WAITING)
"""States that a plan tells; all are counted, so that their plots have no gaps."""
NEVER_MADE = "nothing is there yet: srft ingest PATH, or srft demo"
DESCRIPTION = (
    "Every partition is what would be made now: from this code, these settings, these inputs"
)


def in_sync_checks(
    keys: Sequence[str], stages: Callable[[], Mapping[str, Stage]]
) -> dg.AssetChecksDefinition:
    """The check of all assets in one: a run plans once, after all that it made.

    `stages` reads the graph as the files state it by then, which may be edited during the run.
    """
    specs = [
        dg.AssetCheckSpec(IN_SYNC, asset=dg.AssetKey(key.split("/")), description=DESCRIPTION)
        for key in keys
    ]

    @dg.multi_asset_check(name=IN_SYNC, specs=specs, can_subset=True, description=DESCRIPTION)
    def check(
        context: dg.AssetCheckExecutionContext, platform: Platform
    ) -> Iterator[dg.AssetCheckResult]:
        keys = [key.asset_key for key in context.selected_asset_check_keys]
        assets = [key.to_user_string() for key in keys]
        try:
            seen = look(stages(), platform.home(), assets)
        except SrftError as error:
            for key in keys:
                yield _no_plan(key, error)
        else:
            for key in keys:
                asset = key.to_user_string()
                told = evaluation(asset, seen.items[asset], asset in seen.needed)
                yield dg.AssetCheckResult(
                    asset_key=key,
                    check_name=IN_SYNC,
                    passed=told.passed,
                    severity=told.severity,
                    description=told.description,
                    metadata=told.metadata,
                )

    return check


def _no_plan(key: dg.AssetKey, error: SrftError) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=IN_SYNC,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=printable(f"there is no plan: {error}"),
    )


def evaluation(asset: str, items: Sequence[Item], needed: bool = False) -> dg.AssetCheckEvaluation:
    """What the check says of an asset: counts by state, and which partitions are not, and why.

    It fails where a partition is not in sync, and where none is there although one is needed.
    """
    lacking = not items and needed
    counts = Counter(item.state for item in items)
    other = [item for item in items if item.state is not State.IN_SYNC]
    metadata: dict[str, Any] = {str(state): counts[state] for state in PLANNED}
    if other:
        metadata["first"] = dg.MetadataValue.text(_line(other[0]))
        metadata["not in sync"] = dg.MetadataValue.md(_table(other))
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset.split("/")),
        check_name=IN_SYNC,
        passed=not other and not lacking,
        severity=dg.AssetCheckSeverity.WARN,
        description=NEVER_MADE if lacking else _summary(counts, len(items)),
        metadata=metadata,
    )


def observation(item: Item, stage: Stage) -> dg.AssetObservation:
    """What is told of one partition on its page. Plain text: nothing in it is rendered."""
    key = dg.AssetKey(item.asset.split("/"))
    why = {"why": dg.MetadataValue.text(_reason(item, PAGE_CHARS))} if item.why else {}
    return dg.AssetObservation(
        key,
        partition=None if stage.partitioned_by == "none" else item.partition,
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
