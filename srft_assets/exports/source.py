"""What is exported: the masked rows of an arm, run by run, and the chats they were made from."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow.parquet as pq

from srft_assets.errors import SrftError
from srft_assets.tokens.template import REASONING, text_of
from srft_assets.tokens.token_labels import MaskedRow, RunRefusedError, Span
from srft_assets.trajectories.model import Message, Trajectory, from_row
from srft_assets.warehouse.partitions import Stamp, Warehouse, stamp_in

ROWS_AT_ONCE = 8
BUFFER_BYTES = 1 << 20


class UnfitError(SrftError):
    """The format cannot express this run; the rest goes on.

    Attributes:
        kind: the reason in our own words, the same for all runs refused for it. Nothing of a run
            is in it, so it is counted and printed as it is.
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Masked:
    """One run of a batch: its rows (several where it was split), and its chat if asked for."""

    batch: str
    rows: tuple[MaskedRow, ...]
    run: Trajectory | None

    @property
    def trajectory_id(self) -> str:
        """The run's id."""
        return self.rows[0].trajectory_id


class Part:
    """The `masked_tokens` partition of one batch, held open: it stays as it is while it is read.

    Attributes:
        stamp: of the partition that is read.
    """

    def __init__(self, warehouse: Warehouse, arm: str, batch: str) -> None:
        """Raises SrftError where the partition has no stamp, OSError where there is none."""
        self.warehouse, self.asset, self.batch = warehouse, f"masked_tokens/{arm}", batch
        self.path = warehouse.path(self.asset, batch)
        with self.path.open("rb") as file:
            self.stamp = _stamp(file, self.path)

    @cached_property
    def is_older(self) -> bool:
        """Whether the batch was made anew since it was masked."""
        now = self.warehouse.stamp("trajectories", self.batch)
        masked = self.stamp.recipe.inputs.get(f"trajectories/{self.batch}")
        return now is not None and masked not in (None, now.data_version)

    def runs(self, chats: bool) -> Iterator[Masked]:
        """The runs in the order of the partition, a few in memory at a time.

        Raises SrftError where the partition was made anew since `stamp` was read, or where the
        batch lacks the chat of a run.
        """
        with self.path.open("rb") as file:
            if _stamp(file, self.path).data_version != self.stamp.data_version:
                raise SrftError(f"{self.asset}/{self.batch} was made anew meanwhile: export again")
            rows = map(MaskedRow.from_row, _records(file))
            by_run = groupby(rows, key=lambda row: row.trajectory_id)
            if not chats:
                yield from (Masked(self.batch, tuple(group), None) for _, group in by_run)
                return
            with _chats(self.warehouse.path("trajectories", self.batch)) as run_of:
                for trajectory_id, group in by_run:
                    yield Masked(self.batch, tuple(group), run_of(trajectory_id))


@contextmanager
def _chats(path: Path) -> Iterator[Callable[[str], Trajectory]]:
    """Finds the run of an id in a batch; fast for ids in the order in which the runs lie.

    It looks from where it stands to the end, then from the start. Raises SrftError where the batch
    or the run is not there.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise SrftError(f"no trajectories/{path.stem}: srft apply trajectories") from None
    with file:
        rows = _records(file)

        def run_of(trajectory_id: str) -> Trajectory:
            nonlocal rows
            for _ in range(2):
                for row in rows:
                    if row["trajectory_id"] == trajectory_id:
                        return from_row(row)
                file.seek(0)
                rows = _records(file)
            raise SrftError(
                f"trajectories/{path.stem} lacks a run that was masked: "
                "srft apply brings both in step"
            )

        yield run_of


def _stamp(file: BinaryIO, path: Path) -> Stamp:
    stamp = stamp_in(file)
    file.seek(0)
    if stamp is None:
        raise SrftError(f"{path}: no stamp in it: srft apply makes it anew")
    return stamp


def _records(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """Rows as plain values, lists of numbers as arrays."""
    parquet = pq.ParquetFile(file, buffer_size=BUFFER_BYTES, pre_buffer=False)
    for batch in parquet.iter_batches(ROWS_AT_ONCE, use_threads=False):
        ids = batch.schema.get_field_index("input_ids")
        others = batch if ids < 0 else batch.drop_columns(["input_ids"])
        for number, row in enumerate(others.to_pylist()):
            if ids >= 0:
                row["input_ids"] = batch.column(ids)[number].values.to_numpy()
            yield row


@dataclass(frozen=True, slots=True)
class Conversation:
    """A run, as a rule up to its last step.

    Attributes:
        messages: as recorded.
        tools: schemas of the tools offered.
        turns: place of each step's message → its span.
    """

    trajectory_id: str
    instance_id: str
    status: str
    batch: str
    messages: list[Message]
    tools: list[dict[str, Any]] | None
    turns: Mapping[int, Span]

    @property
    def trained(self) -> bool:
        """Whether any step carries loss."""
        return any(span.trained for span in self.turns.values())

    def told(self) -> Iterator[tuple[int, Message, Span | None]]:
        """Each message with its place, and its span where it is a step's."""
        for place, message in enumerate(self.messages):
            yield place, message, self.turns.get(place)


def conversation_of(masked: Masked, *, whole: bool = False) -> Conversation:
    """The rows of a run as one chat, up to its last step, or `whole` where no step was cut off.

    Windows are joined again: each step is trained in one of them only. Where the end of a run was
    cut off, so are its messages. Raises UnfitError where a step in the middle has no tokens.
    """
    if masked.run is None:
        raise ValueError("the chat was not read")
    run, row = masked.run, masked.rows[0]
    spans = {span.step_index: span for one in masked.rows for span in one.spans}
    last = max(spans, default=-1)
    steps = [step for step in run.steps if step.step_index <= last]
    lost = next((step.step_index for step in steps if step.step_index not in spans), None)
    if lost is not None or not steps:
        raise UnfitError("a step has no tokens", f"step {lost}")
    turns = {step.message_index: spans[step.step_index] for step in steps}
    whole = whole and len(steps) == len(run.steps)
    messages = run.messages if whole else run.messages[: max(turns) + 1]
    ids = (row.trajectory_id, row.instance_id, row.status, masked.batch)
    return Conversation(*ids, messages, run.tools, turns)


def plain_text(place: int, message: Message) -> str:
    """The content of a message as text. Raises UnfitError where it holds anything else."""
    try:
        return text_of(message.get("content"), f"message {place}")
    except RunRefusedError as error:
        raise UnfitError("a message holds what is not text", str(error)) from None


def thinking(message: Message) -> str | None:
    """The model's thinking, where it was recorded apart from the content."""
    found = next((message[key] for key in REASONING if message.get(key)), None)
    return None if found is None else str(found)
