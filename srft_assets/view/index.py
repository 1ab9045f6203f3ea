"""What the pages look up without reading whole batches: one row a run, one text of labels a run.

A critic's labels of a run are one letter a step (`g`, `u`, `m`, `r`, `-` where it gave none), so
that 4 million verdicts take the memory of their letters. What is read of a partition is kept until
its file changes.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.view.search import Searches
from srft_assets.warehouse.catalogue import Catalogue
from srft_assets.warehouse.partitions import PARTITION_NAME, Warehouse
from srft_assets.warehouse.query import (
    ATTEMPTS,
    check_plan,
    check_statement,
    open_readonly,
    read_steady,
)
from srft_assets.warehouse.sql import first_line, sql_files

LETTERS = {"good": "g", "unnecessary": "u", "mistake": "m", "recover": "r", "unlabeled": "-"}
WORDS = {letter: label for label, letter in LETTERS.items()}
SECONDS = 20.0
"""A question that takes longer is ended: somebody waits for it in front of a page."""
State = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is kept of a partition: `reduce` of some columns gives rows of `schema`."""

    columns: list[str]
    schema: pl.Schema
    reduce: Callable[[pl.DataFrame], pl.DataFrame] = lambda frame: frame


def _letters(verdicts: pl.DataFrame) -> pl.DataFrame:
    letters = pl.col("label").replace_strict(LETTERS, default="-", return_dtype=pl.String)
    in_order = verdicts.sort("trajectory_id", "step_index").with_columns(letters)
    joined = pl.col("label").str.join("").alias("labels")
    return in_order.group_by("trajectory_id", maintain_order=True).agg(joined)


TEXTS = ("trajectory_id", "instance_id", "scaffold", "model", "exit_status")
RUNS = _Reading(
    [*TEXTS, "n_steps"], pl.Schema({**dict.fromkeys(TEXTS, pl.String), "n_steps": pl.Int32})
)
OUTCOMES = _Reading(
    ["trajectory_id", "status"], pl.Schema({"trajectory_id": pl.String, "status": pl.String})
)
VERDICTS = _Reading(
    ["trajectory_id", "step_index", "label"],
    pl.Schema({"trajectory_id": pl.String, "labels": pl.String}),
    _letters,
)


@dataclass
class _Kept:
    """What was read of the partitions of an asset, each with the state of its file."""

    frames: dict[str, tuple[State, pl.DataFrame]] = field(default_factory=dict)
    joined: pl.DataFrame | None = None


class Index:
    """Reads a warehouse for pages; several threads may ask at once."""

    def __init__(self, home: Home) -> None:
        self.home, self.warehouse = home, Warehouse(home.warehouse)
        self.searches = Searches(self.warehouse)
        self._lock = threading.RLock()
        self._kept: dict[str, _Kept] = {}
        self._runs: tuple[tuple[int, int], pl.DataFrame] | None = None
        self._labels: dict[str, tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]] = {}
        self._version_names: dict[Path, tuple[int, str | None]] = {}
        self._base: tuple[str | None, duckdb.DuckDBPyConnection] | None = None

    def runs(self) -> pl.DataFrame:
        """One row a run: id, task, repository, batch, scaffold, model, end, steps, outcome."""
        with self._lock:
            held = self._read("trajectories", RUNS)
            outcomes = self._read("test_outcomes", OUTCOMES)
            key = (id(held), id(outcomes))
            if self._runs is None or self._runs[0] != key:
                counted = held.sort("batch").unique("trajectory_id", keep="first")
                found = counted.join(outcomes, on=["trajectory_id", "batch"], how="left")
                self._runs = key, self._told(found.sort("batch", "trajectory_id"))
            return self._runs[1]

    def labels(self, judge: str) -> pl.DataFrame:
        """trajectory_id and labels of a critic, or of one version of it (`NAME@VERSION`); the same
        object while no file changes.

        A run whose batch no longer holds it has none. Raises UsageError for an unknown critic.
        """
        files = self.files_of(judge)
        with self._lock:
            found = self._read(judge, VERDICTS, files)
            held = self._read("trajectories", RUNS)
            known = self._labels.get(judge)
            if known is None or known[0] is not found or known[1] is not held:
                fitting = found.join(held, on=["trajectory_id", "batch"], how="semi")
                counted = fitting.sort("batch").unique("trajectory_id", keep="first")
                known = self._labels[judge] = found, held, counted.drop("batch")
            return known[2]

    def judges(self) -> list[str]:
        """Critics that have labelled, then the versions of those with several, `NAME@VERSION`, the
        latest first."""
        made = self.home.warehouse.glob("step_verdicts/*/*.parquet")
        labelled = {path.parent.name for path in made}
        several = [
            f"{critic}@{version}"
            for critic, versions in self._versions().items()
            if len(versions) > 1
            for version in versions
        ]
        return [name for name in sorted(labelled) if PARTITION_NAME.fullmatch(name)] + several

    def critics(self) -> list[str]:
        """Critics that have labelled."""
        return [one for one in self.judges() if "@" not in one]

    def warm(self) -> None:
        """Read what the first page shows, so that nobody waits for it there."""
        self.runs()
        for critic in self.critics()[:1]:
            self.labels(critic)

    def batch_of(self, trajectory_id: str) -> str | None:
        """The batch in which a recorded run counts."""
        found = self.runs().filter(trajectory_id=trajectory_id)
        return found["batch"][0] if found.height else None

    def ask(
        self,
        text: str,
        values: Mapping[str, Any] | None = None,
        frames: Mapping[str, pl.DataFrame] | None = None,
    ) -> pl.DataFrame:
        """The rows of one question, which may read the warehouse and `frames` and nothing else.

        Raises SrftError where it is refused, wrong, or takes longer than `SECONDS`.
        """
        cursor = self._cursor()
        for name, frame in (frames or {}).items():
            cursor.register(name, frame.to_arrow())
        timer = threading.Timer(SECONDS, cursor.interrupt)
        timer.start()
        try:
            check_statement(cursor, text)
            check_plan(cursor, text, values)
            given = dict(values) if values else None
            return read_steady(self.home, lambda: cursor.sql(text, params=given).pl())
        except duckdb.InterruptException:
            raise SrftError(f"the question took longer than {SECONDS:.0f} seconds") from None
        except duckdb.Error as error:
            raise SrftError(first_line(error)) from None
        finally:
            timer.cancel()
            cursor.close()

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            for _ in range(ATTEMPTS):
                digest = Catalogue(self.home).digest()
                if self._base is None or self._base[0] != digest:
                    try:
                        self._base = digest, open_readonly(self.home)
                    except duckdb.IOException:  # replaced between the look and the opening
                        continue
                return self._base[1].cursor()
        raise SrftError("the catalogue changes faster than it can be opened: ask again")

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            if self._base is not None:
                self._base[1].close()
                self._base = None

    def _told(self, runs: pl.DataFrame) -> pl.DataFrame:
        """With what the macros of the warehouse say of each run."""
        return self.ask(page_sql("told_runs"), frames={"given_runs": runs})

    def _read(
        self, name: str, reading: _Reading, files: Sequence[tuple[str, str, str]] | None = None
    ) -> pl.DataFrame:
        """What is kept of all partitions of an asset, with their batch; the same object while no
        file changes. `files` names asset, partition and batch of each where they are others."""
        kept = self._kept.setdefault(name, _Kept())
        own = ((name, one, one) for one in self.warehouse.partitions(name))
        there: dict[str, tuple[State, pl.DataFrame]] = {}
        for asset, partition, batch in files if files is not None else own:
            try:
                stat = self.warehouse.path(asset, partition).stat()
                state = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
                old = kept.frames.get(batch)
                if old is not None and old[0] == state:
                    there[batch] = old
                    continue
                frame = reading.reduce(self.warehouse.read(asset, partition, reading.columns))
            except FileNotFoundError:
                continue
            there[batch] = state, frame.with_columns(batch=pl.lit(batch))
        if kept.joined is None or _states(there) != _states(kept.frames):
            kept.frames = there
            empty = reading.schema.to_frame().with_columns(batch=pl.lit("")).clear()
            kept.joined = pl.concat([empty, *(frame for _, frame in there.values())])
        return kept.joined

    def _versions(self) -> dict[str, dict[str, list[tuple[str, str]]]]:
        """Critic → version, the latest first → file and batch of each of its partitions.

        A file is named by what it was made from; its rows name the version.
        """
        found: dict[str, dict[str, list[tuple[str, str]]]] = {}
        times: dict[tuple[str, str], int] = {}
        files = self.home.warehouse.glob("verdict_versions/*/*/*.parquet")
        for time, path in sorted((path.stat().st_mtime_ns, path) for path in files):
            critic, batch = path.parts[-3:-1]
            if (version := self._version_of(path, time)) is not None:
                found.setdefault(critic, {}).setdefault(version, []).append((path.stem, batch))
                times[critic, version] = time
        return {
            critic: dict(sorted(found[critic].items(), key=lambda one: -times[critic, one[0]]))
            for critic in sorted(found)
        }

    def _version_of(self, path: Path, time: int) -> str | None:
        known = self._version_names.get(path)
        if known is None or known[0] != time:
            rows = pl.read_parquet(path, columns=["version"], n_rows=1)
            known = time, rows["version"][0] if rows.height else None
        self._version_names[path] = known
        return known[1]

    def files_of(self, judge: str) -> list[tuple[str, str, str]]:
        """Asset, partition and batch of each file that holds a judge's verdicts, one a batch.

        Raises UsageError for an unknown one.
        """
        if judge not in self.judges():
            raise UsageError(f"no critic {judge!r} has labelled; there are: {self._told_judges()}")
        critic, _, version = judge.partition("@")
        if not version:
            asset = f"step_verdicts/{critic}"
            return [(asset, name, name) for name in self.warehouse.partitions(asset)]
        latest = {batch: stem for stem, batch in self._versions()[critic][version]}
        folder = f"verdict_versions/{critic}"
        return [(f"{folder}/{batch}", stem, batch) for batch, stem in latest.items()]

    def _told_judges(self) -> str:
        return ", ".join(self.judges()) or "none yet"


def _states(frames: Mapping[str, tuple[State, pl.DataFrame]]) -> dict[str, State]:
    return {name: state for name, (state, _) in frames.items()}


def page_sql(name: str) -> str:
    """A statement of `sql/pages`."""
    (text,) = (file.text for file in sql_files("pages") if file.name == name)
    return text
