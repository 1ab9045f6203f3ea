"""Gold labels: what people say of steps, kept by set in the database of the platform; and the asset
`gold_labels`, which also holds what the scripted teacher of generated runs says of its own.

The teacher says of each turn what it is, in `extra.teacher` of the raw message. The readers drop
it, so that no critic sees it; here it is read from the raw runs in `home.runs`.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import polars as pl
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from srft_assets.critic.spec import LABELS
from srft_assets.database.read import read_rows
from srft_assets.errors import Refusal, UsageError, excerpt_of
from srft_assets.files import move
from srft_assets.home import Home
from srft_assets.processes.locks import exclusive
from srft_assets.trajectories.batches import LAB, batch_names, read_manifest
from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.model import RecordError
from srft_assets.warehouse.partitions import PARTITION_NAME, Warehouse, check_partition_name
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.stage import Made, Stage, Upstream, Work

LOG = logging.getLogger(__name__)
RECORDED = "lab"
"""Name of the set that generated runs bring; no other may bear it."""
STEP = ["trajectory_id", "step_index"]


class GoldLabel(BaseModel, extra="forbid", frozen=True, strict=True):
    """What one annotator says of one step. A misspelt key is an error."""

    trajectory_id: str = Field(min_length=1)
    step_index: int = Field(ge=0, lt=2**31)
    """From 0, as in the view `steps`."""
    label: Literal["good", "unnecessary", "mistake", "recover"] | None
    """None: the annotator looked at the step and skipped it."""
    annotator: str = Field(min_length=1)
    note: Annotated[str, BeforeValidator(lambda given: "" if given is None else given)] = ""
    at: str | None = None
    """When the label was given or imported, ISO 8601."""

    @property
    def key(self) -> tuple[str, int, str]:
        """Step and annotator: a set holds one label for each."""
        return self.trajectory_id, self.step_index, self.annotator


GOLD_LABELS = pl.Schema(
    {
        "set": pl.String,
        "trajectory_id": pl.String,
        "step_index": pl.Int32,
        "label": pl.String,
        "annotator": pl.String,
        "note": pl.String,
    }
)
"""The asset `gold_labels`: all sets, one row a step and annotator."""


def parse_label(value: object) -> GoldLabel | str:
    """The label, or one line that says what is wrong with it."""
    try:
        return GoldLabel.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        given = excerpt_of(repr(first["input"])[:60])
        return f"{place} is {given}: {first['msg']}" if place else first["msg"]


def unfit(label: GoldLabel, steps: Mapping[str, int]) -> str | None:
    """Why the label fits no step, None where it fits; `steps`: number of steps of each run."""
    count = steps.get(label.trajectory_id)
    if count is None:
        return f"no batch holds run {excerpt_of(label.trajectory_id)}: ingest it first"
    if label.step_index >= count:
        return f"the run has no step {label.step_index}: its {count} steps are numbered from 0"
    return None


def gold_frame(name: str, labels: Iterable[GoldLabel]) -> pl.DataFrame:
    """Rows of one set, in the schema `GOLD_LABELS`."""
    rows = [{"set": name, **label.model_dump(exclude={"at"})} for label in labels]
    return pl.DataFrame(rows, schema=GOLD_LABELS, orient="row")


def majority(labels: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The label that most annotators gave, one row a step, and how many steps had none.

    A tie says nothing of the step. `labels`: rows of one set, skipped ones left out.
    """
    votes = labels.group_by(*STEP, "label").len("votes")
    best = votes.filter(pl.col("votes") == pl.col("votes").max().over(STEP))
    clear = best.filter(pl.len().over(STEP) == 1)
    ties = best.select(STEP).n_unique() - clear.height if best.height else 0
    return clear.select(*STEP, "label"), ties


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
    take_over(home)
    query = f"SELECT set_name, {', '.join(COLUMNS)} FROM gold_labels ORDER BY set_name, {_KEY}"
    found: dict[str, list[GoldLabel]] = {}
    for name, *values in read_rows(home, query):
        found.setdefault(name, []).append(label_of_row(values))
    return found


_KEY = "trajectory_id, step_index, annotator"
COLUMNS = ("trajectory_id", "step_index", "annotator", "label", "note", "given_at")


def label_of_row(values: Iterable[Any]) -> GoldLabel:
    """The label that a row of the database holds in `COLUMNS`."""
    row = dict(zip(COLUMNS, values, strict=True))
    return GoldLabel(at=row.pop("given_at"), **row)


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

    from srft_assets.database.store import GOLD_LABELS as TABLE
    from srft_assets.database.store import database_of

    refused: list[Refusal] = []
    counts = {"added": 0, "changed": 0, "unchanged": 0}
    with database_of(home).write() as connection:
        columns = [TABLE.c[column] for column in COLUMNS]
        rows = connection.execute(sa.select(*columns).where(TABLE.c.set_name == name))
        known = {label.key: label for label in map(label_of_row, rows)}
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
            given = {"set_name": name, "given_at": label.at, **label.model_dump(exclude={"at"})}
            key = {column.name: given[column.name] for column in TABLE.primary_key}
            connection.execute(sa.delete(TABLE).filter_by(**key))
            connection.execute(sa.insert(TABLE), given)
            known[label.key] = label
            counts["added" if old is None else "changed"] += 1
    return Merged(**counts, refused=tuple(refused))


def take_over(home: Home) -> None:
    """Take the files `gold/<set>.jsonl` of earlier versions into the database.

    The folder is then renamed to `gold-taken-over`; lines that are no labels are told in the log.
    """
    if not home.gold.is_dir():
        return
    from srft_assets.database.store import database_of

    with exclusive(database_of(home).locks / "take-over.lock"):
        for path in sorted(home.gold.glob("*.jsonl")):
            if path.stem == RECORDED or not PARTITION_NAME.fullmatch(path.stem):
                LOG.warning("%s is passed over: no set can have this name", path)
            else:
                labels = []
                for row, line in enumerate(path.read_bytes().split(b"\n")):
                    try:
                        told = parse_label(orjson.loads(line)) if line.strip() else None
                    except orjson.JSONDecodeError as error:
                        told = f"not JSON: {error}"
                    if isinstance(told, str):
                        LOG.warning("%s, row %s is passed over: %s", path, row, told)
                    elif told is not None:
                        labels.append((row, told))
                for refusal in merge_labels(home, path.stem, labels, path.name).refused:
                    LOG.warning("passed over: %s", refusal.line())
        if home.gold.is_dir():
            move(home.gold, home.root / "gold-taken-over")


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
    sets = pl.concat(frames).group_by("set")
    return sets.agg(
        pl.col("label").is_not_null().sum().alias("labels"),
        pl.col("trajectory_id").n_unique().alias("runs"),
        pl.col("annotator").n_unique().alias("annotators"),
        *counts,
        pl.col("label").is_null().sum().alias("skipped"),
    ).sort("set")


VERSION = 1
"""Raised when the output changes; see tools/versions.py."""

TEACHER = "teacher"
DESCRIPTION = """
What steps really are: labels that people gave (`srft review`, see docs/gold.md), and in the
set `lab` what the scripted teacher said of its own steps. Critics are scored against them.
"""


def gold_labels_stage() -> Stage:
    return Stage(
        key="gold_labels",
        partitioned_by="none",
        upstream=(Upstream("trajectories", "all"),),
        schema=GOLD_LABELS,
        code={"version": VERSION},
        make=_make,
        config_of=_config_of,
        description=DESCRIPTION.strip(),
        kinds=frozenset({"parquet", "json"}),
    )


def _config_of(home: Home, _: str) -> dict[str, Any]:
    """Contents of the sets, and which recordings there are of generated runs."""
    config: dict[str, Any] = {
        f"gold {name}": digest([label.model_dump(exclude={"at"}) for label in labels])[:16]
        for name, labels in read_sets(home).items()
    }
    for batch in _lab_batches(home):
        config[f"recorded {batch}"] = sorted(path.name for path in _recordings(home, batch))
    return config


def _make(work: Work) -> Made:
    batches = work.input_names("trajectories")
    steps = known_steps(work.warehouse, batches)
    frames, refused = [GOLD_LABELS.to_frame()], []
    for name, labels in read_sets(work.home).items():
        told = [(label, unfit(label, steps)) for label in labels]
        refused += [
            Refusal(f"gold set {name}", reason, label.step_index, label.trajectory_id)
            for label, reason in told
            if reason
        ]
        frames.append(gold_frame(name, [label for label, reason in told if not reason]))
    for batch in sorted(set(_lab_batches(work.home)) & set(batches)):
        found = list(_recorded_labels(work, batch))
        refused += [one for one in found if isinstance(one, Refusal)]
        frames.append(gold_frame(RECORDED, [one for one in found if isinstance(one, GoldLabel)]))
    frame = pl.concat(frames).unique(maintain_order=True)  # several batches may hold a run
    counts = dict(frame.group_by("set").len().sort("set").iter_rows())
    return Made(frame, refused, {f"labels of {name}": count for name, count in counts.items()})


def known_steps(warehouse: Warehouse, batches: list[str]) -> dict[str, int]:
    """Trajectory id → number of steps, over the batches."""
    counts: dict[str, int] = {}
    for batch in batches:
        frame = warehouse.read("trajectories", batch, columns=["trajectory_id", "n_steps"])
        counts |= dict(frame.iter_rows())
    return counts


def _lab_batches(home: Home) -> list[str]:
    """Batches whose runs the platform generated."""
    return [name for name in batch_names(home) if read_manifest(home, name).kind == LAB]


def _recordings(home: Home, batch: str) -> list[Path]:
    """Folders of the raw runs of a batch, one for each making, the latest first."""
    folders = [path for path in (home.runs / batch).glob("*") if path.is_dir()]
    return sorted(folders, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)


def _recorded_labels(work: Work, batch: str) -> Iterator[GoldLabel | Refusal]:
    """What the teacher said of each step of the batch.

    A run whose raw form is gone is refused: its labels went with it.
    """
    columns = ["trajectory_id", "source", "n_steps"]
    runs = work.warehouse.read("trajectories", batch, columns=columns)
    folders = _recordings(work.home, batch)
    for run, source, n_steps in runs.iter_rows():
        raw = _raw(folders, source, run)
        place = f"runs/{batch}/{source}"
        if raw is None:
            yield Refusal(place, "the raw run is gone", subject=run)
            continue
        said: list[Any] = [_said(m) for m in raw["messages"] if m.get("role") == "assistant"]
        if len(said) != n_steps or None in said:
            reason = f"the teacher labelled {sum(map(bool, said))} turns of {n_steps} steps"
            yield Refusal(place, reason, subject=run)
            continue
        for index, one in enumerate(said):
            label = parse_label(
                {
                    "trajectory_id": run,
                    "step_index": index,
                    "label": one.get("label"),
                    "annotator": TEACHER,
                    "note": one.get("reason", ""),
                }
            )
            yield label if isinstance(label, GoldLabel) else Refusal(place, label, index, run)


def _raw(folders: list[Path], source: str, run: str) -> dict[str, Any] | None:
    """The latest recording that reads as exactly this run."""
    for folder in folders:
        path = folder / source
        try:
            record = orjson.loads(path.read_bytes())
            read = read_record(record, source=source, row=0)
        except (FileNotFoundError, orjson.JSONDecodeError, RecordError):
            continue
        if read.trajectory_id == run:
            return record
    return None


def _said(message: dict[str, Any]) -> dict[str, Any] | None:
    extra = message.get("extra")
    said = extra.get(TEACHER) if isinstance(extra, dict) else None
    return said if isinstance(said, dict) else None
