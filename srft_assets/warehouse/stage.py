"""A stage, free of Dagster: what it needs, what decides it, how it is made; and their graph."""

import difflib
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, TypeVar

import polars as pl

from srft_assets.errors import Refusal, SrftError, UsageError
from srft_assets.home import Home
from srft_assets.serving.server import Serve, Served
from srft_assets.warehouse.cost import Cost
from srft_assets.warehouse.partitions import ONLY, Stamp, Warehouse, data_version, matching
from srft_assets.warehouse.recipe import Code, Recipe
from srft_assets.warehouse.turn import NO_TURN, Turn

T = TypeVar("T")
Partitioning = Literal["batch", "seed", "none"]


class Progress(Protocol):
    """Where a stage reports how far it is."""

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
        """Yield the items, showing a bar or log lines on the way."""

    def report(self, label: str, done: int, total: int, note: str = "") -> None:
        """Show that `done` of `total` are done, for work that happens elsewhere."""


class Launch(Protocol):
    """Starts a heavy subprocess and waits for it."""

    def __call__(
        self, argv: Sequence[str], env: Mapping[str, str], prefix: Sequence[str] = ()
    ) -> None:
        """Run the command in a session of its own; with a prefix, elsewhere. Raises SrftError with
        the tail of its log."""


class Idle:
    """A `Progress` that shows nothing."""

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
        """The items."""
        yield from items

    def report(self, label: str, done: int, total: int, note: str = "") -> None:
        """Nothing."""


IDLE = Idle()


def no_launch(argv: Sequence[str], env: Mapping[str, str], prefix: Sequence[str] = ()) -> None:
    """Starts nothing. Raises AssertionError: who foresees a partition needs no subprocess."""
    raise AssertionError(f"a subprocess was asked for: {argv[0]}")


def no_server() -> AbstractContextManager[Served]:
    """There is no model server. Raises SrftError."""
    raise SrftError("no model server at hand: state endpoint.base_url in the critic's YAML")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a command or a run may pay critics for; None bounds nothing.

    Attributes:
        whose: what is bounded, for messages.
        since: ISO 8601, UTC: calls that were paid for from then on count.
    """

    whose: str
    since: str
    max_calls: int | None = None
    max_tokens: int | None = None
    max_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """The making of one partition, as handed to `Stage.make`.

    Attributes:
        started_by: name of the schedule or sensor; empty for a person.
        allowance: what may be paid for; None where the command bounds nothing.
        wait: whether to wait for batches of a provider, or to come back for them.
        turn: of making this partition.
    """

    home: Home
    warehouse: Warehouse
    partition: str
    recipe: Recipe
    run_id: str
    progress: Progress
    launch: Launch
    log: logging.Logger
    serve: Serve = no_server
    started_by: str = ""
    allowance: Allowance | None = None
    wait: bool = True
    turn: Turn = NO_TURN

    def read(self, asset: str, partition: str | None = None) -> pl.DataFrame:
        """An upstream partition, by default that of the same name, as the recipe names it.

        Raises InputChangedError where it is another version by now.
        """
        name = partition or self.partition
        return self.warehouse.read(asset, name, version=self.recipe.inputs.get(f"{asset}/{name}"))

    def stamp(self, frame: pl.DataFrame, volatile: tuple[str, ...] = (), **more: Any) -> Stamp:
        """What a partition of these rows will say of itself; `more`: further fields of `Stamp`."""
        return Stamp(
            recipe=self.recipe,
            fingerprint=self.recipe.fingerprint,
            data_version=data_version(frame, volatile),
            rows=frame.height,
            run_id=self.run_id,
            made_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            volatile=volatile,
            turn=self.turn.number,
            **more,
        )

    def keep(self, asset: str, frame: pl.DataFrame) -> None:
        """Write further rows that were made on the way, as a partition of `asset`."""
        self.warehouse.write(asset, self.partition, frame, self.stamp(frame), self.turn)

    def input_names(self, asset: str) -> list[str]:
        """Upstream partitions of `asset` that the recipe names, sorted."""
        keys = (key.rpartition("/") for key in self.recipe.inputs)
        return sorted(name for upstream, _, name in keys if upstream == asset)


@dataclass(frozen=True, slots=True)
class Listing:
    """A small table for the Dagster page; cells may hold text of others."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True, slots=True)
class Made:
    """What a stage hands back.

    Attributes:
        frame: the rows of the partition, in the stage's schema.
        refused: inputs that were refused on the way.
        metadata: figures for the Dagster page: numbers, strings, `Path`, of a PNG as a picture,
            `Listing`.
    """

    frame: pl.DataFrame
    refused: Sequence[Refusal] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Planned:
    """A partition that is to be made, as handed to `Stage.estimate` and `Stage.count`.

    Attributes:
        made: the partition of now, None where it is missing.
        recipe: what it would be made from; None where an input is not made yet.
    """

    home: Home
    warehouse: Warehouse
    partition: str
    recipe: Recipe | None
    made: Stamp | None


@dataclass(frozen=True, slots=True)
class Upstream:
    """An edge of the graph.

    Attributes:
        asset: key of the upstream stage, e.g. `step_verdicts/rules`.
        mapping: `same` partition; `all` partitions that match `only`; `whole`: unpartitioned.
        only: for `all`, shell patterns of partition names; behind a `!`, of those left out.
        family: for `all` batches, of a platform what `matching` asks.
        setting: who says `only`, for messages.
        optional: for `all`, whether the stage can be made while there is none.
        decides: whether its content is part of the recipe. Where it is not, the stage reads
            what the upstream shows from the same files, and the edge is there to be seen.
    """

    asset: str
    mapping: Literal["same", "all", "whole"] = "same"
    only: tuple[str, ...] = ("*",)
    setting: str = ""
    optional: bool = False
    decides: bool = True
    family: Callable[[Home], Callable[[str], str]] | None = None

    def taken(self, home: Home, names: Collection[str], partition: str) -> list[str]:
        """Those of the names, of partitions of `asset`, from which `partition` is made."""
        if self.mapping == "all":
            return matching(names, self.only, self.family(home) if self.family else str)
        name = partition if self.mapping == "same" else ONLY
        return [name] if name in names else []


@dataclass(frozen=True, slots=True)
class Said:
    """What partitions would leave unsaid: one line with numbers and what to change.

    `warns`: whether it is a trap, and not only good to know.
    """

    line: str
    warns: bool = True


Watch = Callable[[Home, Warehouse, Sequence[str]], Said | None]
"""Looks at partitions of a stage, by their names and without reading rows; None: all is well."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How a stage is tried on some subjects (runs), without making a partition.

    Attributes:
        subjects: ids of a partition, by home and name, of which it would make rows.
        make: the rows of these only; `Work` says the partition.
    """

    subjects: Callable[[Home, str], list[str]]
    make: Callable[[Work, Collection[str]], Made]


@dataclass(frozen=True)
class Stage:
    """One asset.

    Attributes:
        key: the asset key, e.g. `masked_tokens/srft`.
        partitioned_by: `batch`, `seed`, or `none`.
        upstream: edges.
        schema: names and polars types of the rows.
        code: see `Code`; `version` is raised when the output changes.
        make: makes one partition.
        config: settings that decide every partition.
        config_of: further settings of one partition (a batch's sources), by home and name.
        volatile: columns that do not count for the data version (times, paths of logs).
        estimate: what making a partition would take, told from what partitions say of
            themselves, without reading their rows; None: not worth a figure.
        count: the same, counted exactly; it may read every run.
        preview: what making a partition sends out about one subject of it (a run), as pairs of
            heading and text; by home, partition and subject.
        trial: how it is tried on a few subjects.
        kept: folder of the warehouse in which earlier versions stay; empty: none stays.
        on_request: whether it is made only when it is named, or needed by what is made: its
            making costs money.
        beside: keys of further folders of partitions that `make` writes.
        watches: by name, what is looked at in partitions that are in sync; asset checks in the UI.
        apart: whether partitions may be made side by side, in processes of their own: it computes
            here, and asks no server and no budget, or it waits for other nodes.
        pool: Dagster pool of what must not run beside its like; empty: none.
        tags: what it is of, to find it by: `arm`, `critic`, `gold`, `family`.
        description: business meaning, Markdown.
        kinds: tags for the Dagster graph.
    """

    key: str
    partitioned_by: Partitioning
    upstream: tuple[Upstream, ...]
    schema: pl.Schema
    code: Code
    make: Callable[[Work], Made]
    config: Mapping[str, Any] = field(default_factory=dict)
    config_of: Callable[[Home, str], Mapping[str, Any]] | None = None
    volatile: tuple[str, ...] = ()
    estimate: Callable[[Planned], Cost] | None = None
    count: Callable[[Planned], Cost] | None = None
    preview: Callable[[Home, str, str], Iterator[tuple[str, str]]] | None = None
    trial: Trial | None = None
    kept: str = ""
    on_request: bool = False
    beside: tuple[str, ...] = ()
    watches: Mapping[str, Watch] = field(default_factory=dict)
    apart: bool = False
    pool: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    kinds: frozenset[str] = frozenset()


def in_order(stages: Mapping[str, Stage]) -> list[Stage]:
    """The stages, upstream first: by the longest way from a source, then by key.

    Edges to unknown stages are ignored.
    """
    depths: dict[str, int] = {}

    def depth(key: str) -> int:
        if key not in depths:
            above = [edge.asset for edge in stages[key].upstream if edge.asset in stages]
            depths[key] = 1 + max(map(depth, above), default=0)
        return depths[key]

    return [stages[key] for key in sorted(stages, key=lambda key: (depth(key), key))]


def with_upstream(stages: Mapping[str, Stage], wanted: Iterable[str]) -> dict[str, Stage]:
    """The wanted stages and all they depend on.

    Raises UsageError for an unknown key, with the stage that needs it and the keys like it.
    """
    chosen: dict[str, Stage] = {}
    queue = [(key, "") for key in wanted]
    while queue:
        key, needing = queue.pop()
        if key not in stages:
            needed = f", which {needing} needs" if needing else ""
            raise UsageError(f"no asset {key!r}{needed}; {_near(key, stages)}")
        if key not in chosen:
            chosen[key] = stages[key]
            queue += [(edge.asset, key) for edge in stages[key].upstream]
    return chosen


def _near(key: str, stages: Mapping[str, Stage]) -> str:
    """The keys that may have been meant: misspelt, or of that critic or arm; else all."""
    of_that_name = [known for known in sorted(stages) if key in known.split("/")]
    close = of_that_name or difflib.get_close_matches(key, sorted(stages), n=3, cutoff=0.7)
    return (
        f"did you mean {', '.join(close)}?" if close else f"there are: {', '.join(sorted(stages))}"
    )


def unasked(stages: Mapping[str, Stage]) -> dict[str, Stage]:
    """What is made when nothing is named: all but what costs money and nothing else needs."""
    return with_upstream(stages, [key for key, stage in stages.items() if not stage.on_request])
