"""Gold sets: what people say of steps, kept in the database of the platform."""

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson
import polars as pl

from srft_assets.critic.gold.labels import GOLD_LABELS, GoldLabel, gold_frame, parse_label
from srft_assets.critic.spec import LABELS
from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.locks import exclusive
from srft_assets.refusal import Refusal
from srft_assets.warehouse.placing import free_path
from srft_assets.warehouse.store import PARTITION_NAME, Warehouse, check_partition_name

LOG = logging.getLogger(__name__)
RECORDED = "lab"
"""Name of the set that generated runs bring; no other may bear it."""


_COLUMNS = {
    "trajectory_id": "trajectory_id",
    "step_index": "step_index",
    "annotator": "annotator",
    "label": "label",
    "note": "note",
    "at": "given_at",
}
"""Column of each field of a label."""
_KEY = ("trajectory_id", "step_index", "annotator")


@dataclass(frozen=True, slots=True)
class Merged:
    """What an import did: counts of labels, and those that were refused."""

    added: int
    changed: int
    unchanged: int
    refused: tuple[Refusal, ...]


def check_set_name(name: str) -> str:
    """The name. Raises UsageError where it is unsafe or taken."""
    if name == RECORDED:
        raise UsageError(f"the set {RECORDED!r} holds what generated runs say: choose another name")
    return check_partition_name(name)


def read_sets(home: Home) -> dict[str, list[GoldLabel]]:
    """The labels of every set, by its name, in the order of run, step and annotator."""
    if not (home.database.exists() or home.gold.is_dir() or os.environ.get("SRFT_DATABASE")):
        return {}  # a plan need not make a database, nor load what opens one
    import sqlalchemy as sa

    from srft_assets.database import GOLD_LABELS as TABLE
    from srft_assets.database import database_of

    database = database_of(home)
    take_over(home)
    found: dict[str, list[GoldLabel]] = {}
    with database.read() as connection:
        for row in connection.execute(sa.select(TABLE).order_by(*TABLE.primary_key)):
            given = {name: getattr(row, column) for name, column in _COLUMNS.items()}
            found.setdefault(row.set_name, []).append(GoldLabel(**given))
    return found


def merge_labels(
    home: Home,
    name: str,
    labels: Iterable[tuple[int, GoldLabel]],
    source: str,
    overwrite: bool = False,
) -> Merged:
    """Put labels into a set; all of them or, where this is interrupted, none.

    `labels` come with their row in `source`. A step that the annotator labelled otherwise
    before is refused unless `overwrite`; one that was skipped before is not a conflict.
    """
    import sqlalchemy as sa

    from srft_assets.database import GOLD_LABELS as TABLE
    from srft_assets.database import database_of

    refused: list[Refusal] = []
    counts = {"added": 0, "changed": 0, "unchanged": 0}
    with database_of(home).write() as connection:
        rows = connection.execute(sa.select(TABLE).where(TABLE.c.set_name == name))
        known = {(row.trajectory_id, row.step_index, row.annotator): row for row in rows}
        for row, label in labels:
            old = known.get(label.key)
            if old is not None and (old.label, old.note) == (label.label, label.note):
                counts["unchanged"] += 1
                continue
            if old is not None and old.label not in (None, label.label) and not overwrite:
                told = f"{label.annotator} labelled this step {old.label} before"
                reason = f"{told}: give --replace to change it"
                refused.append(Refusal(source, reason, row, label.trajectory_id))
                continue
            given = {column: getattr(label, field) for field, column in _COLUMNS.items()}
            where = sa.and_(*(TABLE.c[one] == given[one] for one in _KEY))
            connection.execute(sa.delete(TABLE).where((TABLE.c.set_name == name) & where))
            made = connection.execute(
                sa.insert(TABLE).values(set_name=name, **given).returning(TABLE)
            )
            known[label.key] = made.one()
            counts["added" if old is None else "changed"] += 1
    return Merged(**counts, refused=tuple(refused))


def take_over(home: Home) -> None:
    """Take the files `gold/<set>.jsonl` of earlier versions into the database.

    The folder is then renamed to `gold-taken-over`; lines that are no labels are told in the log.
    """
    from srft_assets.database import database_of

    if not home.gold.is_dir():
        return
    with exclusive(database_of(home).locks / "take-over.lock"):
        if not home.gold.is_dir():
            return
        for path in sorted(home.gold.glob("*.jsonl")):
            if path.stem != RECORDED and PARTITION_NAME.fullmatch(path.stem):
                _take_over(home, path)
        home.gold.rename(free_path(home.root / "gold-taken-over"))


def _take_over(home: Home, path: Path) -> None:
    labels = []
    for row, line in enumerate(path.read_bytes().split(b"\n")):
        label = _parse(line)
        if isinstance(label, GoldLabel):
            labels.append((row, label))
        elif line.strip():
            LOG.warning("%s, row %s is passed over: %s", path, row, label)
    for refusal in merge_labels(home, path.stem, labels, path.name).refused:
        LOG.warning("passed over: %s", refusal.line())


def _parse(line: bytes) -> GoldLabel | str:
    try:
        return parse_label(orjson.loads(line))
    except orjson.JSONDecodeError as error:
        return f"not JSON: {error}"


def overview(home: Home) -> pl.DataFrame:
    """One row a set with its counts.

    Sets of people as they are now; what generated runs say, as `gold_labels` was made last.
    """
    frames = [GOLD_LABELS.to_frame()]
    frames += [gold_frame(name, labels) for name, labels in read_sets(home).items()]
    warehouse = Warehouse(home.warehouse)
    if warehouse.stamp("gold_labels") is not None:
        frames.append(warehouse.read("gold_labels").filter(set=RECORDED))
    counts = [(pl.col("label") == str(label)).sum().alias(str(label)) for label in LABELS]
    sets = (
        pl.concat(frames)
        .group_by("set")
        .agg(
            pl.col("label").is_not_null().sum().alias("labels"),
            pl.col("trajectory_id").n_unique().alias("runs"),
            pl.col("annotator").n_unique().alias("annotators"),
            *counts,
            pl.col("label").is_null().sum().alias("skipped"),
        )
    )
    return sets.sort("set")
