"""What `srft show` needs of the warehouse: a run, its verdicts, its outcome, its masked rows."""

from dataclasses import dataclass

import polars as pl

from srft_assets.critic.verdict import Label, Verdict
from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.outcomes.status import Status, TestOutcome
from srft_assets.tokens.token_labels import MaskedRow
from srft_assets.tokens.tokenizer import ChatTokenizer, load_tokenizer, model_source
from srft_assets.trajectories.model import Trajectory, from_row
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.sql import holders

PLACES = ("trajectories", "eval_trajectories")


@dataclass(frozen=True, slots=True)
class Found:
    """A run with what is known of it; None or nothing where that was never made.

    A run that its arm splits has several masked rows.
    """

    run: Trajectory
    verdicts: list[Verdict]
    outcome: TestOutcome | None
    rows: list[MaskedRow]
    tokenizer: ChatTokenizer | None


@dataclass(frozen=True, slots=True)
class Place:
    asset: str
    partition: str
    trajectory_id: str


def find_run(home: Home, name: str, arm: str | None = None, critic: str | None = None) -> Found:
    """The run whose id begins with `name`, or whose instance is `name`.

    Verdicts are those of `critic`, else of the only critic there is. Raises UsageError where
    no run or several fit, SrftError where the arm was never made for the run's batch.
    """
    warehouse, place = Warehouse(home.warehouse), find_place(home, name)
    rows, tokenizer = masked_at(home, warehouse, place, arm) if arm else ([], None)
    return Found(
        run=from_row(row_at(warehouse, place.asset, place)),
        verdicts=_verdicts(warehouse, place, critic),
        outcome=outcome_at(warehouse, place),
        rows=rows,
        tokenizer=tokenizer,
    )


def find_place(home: Home, name: str) -> Place:
    """Where the run lies whose id begins with `name`, or whose instance is `name`.

    Raises UsageError where no run or several fit.
    """
    warehouse = Warehouse(home.warehouse)
    places = [
        Place(asset, partition, trajectory_id)
        for asset, partition in _partitions(warehouse)
        for trajectory_id in _ids(warehouse, asset, partition, name)
    ]
    exact = [place for place in places if place.trajectory_id == name]
    found = _counted(warehouse, exact or places)
    if not found:
        raise UsageError(f"no run {name!r}: list them with srft sql runs")
    if len(found) > 1:
        some = ", ".join(place.trajectory_id for place in found[:5])
        raise UsageError(f"{len(found)} runs fit {name!r}: {some}{', …' * (len(found) > 5)}")
    return found[0]


def _counted(warehouse: Warehouse, places: list[Place]) -> list[Place]:
    """Of a run that several batches hold the one place where it counts."""
    held = [place.partition for place in places if place.asset == PLACES[0]]
    holder = holders(warehouse, held) if len(held) > 1 else {}
    return [
        place
        for place in places
        if place.asset != PLACES[0] or holder.get(place.trajectory_id) in (None, place.partition)
    ]


def _partitions(warehouse: Warehouse) -> list[tuple[str, str]]:
    arms = sorted(path.name for path in (warehouse.root / PLACES[1]).glob("*") if path.is_dir())
    assets = [PLACES[0], *(f"{PLACES[1]}/{arm}" for arm in arms if not arm.startswith("_"))]
    return [(asset, name) for asset in assets for name in warehouse.partitions(asset)]


def _ids(warehouse: Warehouse, asset: str, partition: str, name: str) -> list[str]:
    ids = warehouse.read(asset, partition, columns=["trajectory_id", "instance_id"])
    fits = pl.col("trajectory_id").str.starts_with(name) | (pl.col("instance_id") == name)
    return ids.filter(fits)["trajectory_id"].to_list()


def rows_at(warehouse: Warehouse, asset: str, place: Place) -> pl.DataFrame:
    """The run's rows in the partition of another asset."""
    rows = warehouse.read(asset, place.partition)
    return rows.filter(pl.col("trajectory_id") == place.trajectory_id)


def row_at(warehouse: Warehouse, asset: str, place: Place) -> dict:
    return rows_at(warehouse, asset, place).row(0, named=True)


def _verdicts(warehouse: Warehouse, place: Place, critic: str | None) -> list[Verdict]:
    folder = warehouse.root / "step_verdicts"
    known = sorted(p.parent.name for p in folder.glob(f"*/{place.partition}.parquet"))
    if critic is None and len(known) > 1:
        raise UsageError(f"several critics judged this run: --critic {' or '.join(known)}")
    if critic is not None and critic not in known:
        has = ", ".join(known) or "none"
        raise UsageError(f"critic {critic!r} has not judged this run; {has} has")
    if not known or place.asset != PLACES[0]:
        return []
    rows = rows_at(warehouse, f"step_verdicts/{critic or known[0]}", place).sort("step_index")
    return [
        Verdict(row["step_index"], Label(row["label"]), row["reason"], row["rule"])
        for row in rows.iter_rows(named=True)
    ]


def outcome_at(warehouse: Warehouse, place: Place) -> TestOutcome | None:
    """What the tests said of a recorded run; None where nobody looked."""
    if place.asset != PLACES[0] or warehouse.stamp("test_outcomes", place.partition) is None:
        return None
    cells = row_at(warehouse, "test_outcomes", place)
    return TestOutcome(**{**cells, "status": Status(cells["status"])})


def masked_at(
    home: Home, warehouse: Warehouse, place: Place, arm: str
) -> tuple[list[MaskedRow], ChatTokenizer]:
    """The run's rows in an arm, and the tokenizer of their ids. Raises SrftError for none."""
    asset = f"masked_tokens/{arm}"
    stamp = warehouse.stamp(asset, place.partition)
    if stamp is None:
        made = sorted({path.parent.name for path in warehouse.root.glob("masked_tokens/*/*")})
        known = f"; there are tokens of: {', '.join(made)}" if made and arm not in made else ""
        raise SrftError(f"{asset}/{place.partition} was never made: srft apply {asset}{known}")
    rows = rows_at(warehouse, asset, place).iter_rows(named=True)
    model = model_source(str(stamp.recipe.config["model"]), home, warehouse.read)
    return [MaskedRow.from_row(row) for row in rows], load_tokenizer(model)
