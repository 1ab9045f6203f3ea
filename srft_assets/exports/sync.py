"""Whether what is exported is what the platform would make now."""

from collections.abc import Mapping, Sequence

from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.warehouse.graph import with_upstream
from srft_assets.warehouse.plan import Item, State, make_plan
from srft_assets.warehouse.stage import Stage
from srft_assets.warehouse.store import Warehouse

PREFIX = "masked_tokens/"


def check_sync(
    stages: Mapping[str, Stage], home: Home, arm: str, batches: Sequence[str], *, stale_ok: bool
) -> dict[str, Item]:
    """Batch → its item of the plan, for those that are not in sync.

    Raises UsageError for an arm that does not exist, SrftError where a batch is not in sync and
    that was not allowed, or where none was ever masked.
    """
    asset = f"{PREFIX}{arm}"
    if asset not in stages:
        known = sorted(key.removeprefix(PREFIX) for key in stages if key.startswith(PREFIX))
        raise UsageError(f"no arm {arm!r}; there are: {', '.join(known)}")
    warehouse = Warehouse(home.warehouse)
    plan = make_plan(with_upstream(stages, [asset]), home, warehouse, lambda kind: batches)
    out = {
        item.partition: item
        for item in plan
        if item.asset == asset and item.state is not State.IN_SYNC
    }
    missing = [name for name in batches if warehouse.stamp(asset, name) is None]
    if len(missing) == len(batches):
        raise SrftError(f"{asset} was never made for {_some(missing)}: srft apply {asset}")
    if out and not stale_ok:
        told = "; ".join(f"{name} is {_state(item, missing)}" for name, item in out.items())
        raise SrftError(f"{asset} is not in sync ({told}): srft apply {asset}, or --stale-ok")
    return out


def _state(item: Item, missing: Sequence[str]) -> str:
    if item.partition in missing:
        return "missing"
    return f"{item.state}{': ' if item.why else ''}{', '.join(item.why[:2])}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
