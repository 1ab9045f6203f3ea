"""The canonical form of a recorded run, its id, and its row in a partition of `trajectories`.

A row is a run with its steps, so that one file is one state. What a step is stands in lists beside
each other, one element a step, in order. DuckDB reads of a Parquet file only the columns that a
query names, but of a list of structs always every field.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
from blake3 import blake3

from srft_assets.errors import Refusal, SrftError, excerpt_of
from srft_assets.warehouse.sql import connect, sql_files

Message = dict[str, Any]
"""An OpenAI chat message, loss-free.

`role` is system, user, assistant or tool. `content` is a string, None, or a list of parts;
`tool_calls`, `tool_call_id` and `name` are kept as they came. Keys that only the scaffold
knows (costs, timestamps) are left out, so that a chat template can render the message again.
`is_demo: true` marks messages of a demonstration shown to the agent: context, never steps.
"""


class RecordError(SrftError):
    """One record cannot be read as a run; the message is the reason, in one line."""


class SilentError(RecordError):
    """No turn of a model: of a record of several runs the others are read."""


def kind_of(value: object) -> str:
    """The JSON type of a value, as a person calls it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true/false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else f"of type {type(value).__name__}"


@dataclass(slots=True)
class Action:
    """One command of a step: the tool's name (`bash`, `edit`, …) and what it was given."""

    tool: str
    command: str
    call_id: str | None = None


@dataclass(slots=True)
class Step:
    """One assistant turn with the observations that answer it.

    Attributes:
        step_index: 0-based and consecutive within the run.
        message_index: place of the assistant turn in `Trajectory.messages`.
        thought: text of the turn without its action.
        actions: commands in the order given; empty where the turn holds none.
        observations: texts that answered, in order.
        return_codes: one per observation; None where the scaffold states none.
    """

    step_index: int
    message_index: int
    thought: str
    actions: list[Action] = field(default_factory=list)
    observations: list[str] = field(default_factory=list)
    return_codes: list[int | None] = field(default_factory=list)


@dataclass(slots=True)
class Trajectory:
    """One run.

    Attributes:
        trajectory_id: `<instance_id>.<12 hex>`, stable across re-ingest; see `trajectory_id`.
        instance_id: the task; `unknown` where the source does not say.
        scaffold: `swe-agent`, `mini-swe-agent`, `openhands`, or `unknown`.
        format: name of the reader, e.g. `swe-agent-1.x`.
        model: the model as the source names it, None where it does not.
        exit_status: as the scaffold states it.
        submission: the patch, None where there is none.
        resolved: the outcome as the source itself states it; None where it does not say.
        messages: the whole chat, loss-free.
        tools: JSON schemas of the tools offered, None where the scaffold offers none.
        steps: cut from `messages`.
        source: file relative to the ingested root; `row` is 0-based within it.
        stated_id: the source's own run id, where it has one.
    """

    trajectory_id: str
    instance_id: str
    scaffold: str
    format: str
    messages: list[Message]
    steps: list[Step]
    model: str | None = None
    exit_status: str | None = None
    submission: str | None = None
    resolved: bool | None = None
    tools: list[dict[str, Any]] | None = None
    source: str = ""
    row: int = 0
    stated_id: str | None = None


UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
NAME_CHARS = 100
"""An instance id is cut to this length within a trajectory id."""
DEMONSTRATION = "is_demo"
"""Marks a message of a worked example: context for the model, never a step of the run."""


def text_of(content: object) -> str:
    """What a person reads of a message's content: its text parts, one after the other."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(_part_text(part) for part in content)


def _part_text(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        raise RecordError(
            f"field 'content' holds a part that is {kind_of(part)}, not text or object"
        )
    text = part.get("text")
    return text if isinstance(text, str) else f"[{part.get('type') or 'part'}]"


def trajectory_id(
    instance_id: str, stated_id: str | None, messages: Sequence[Message], scaffold: str = ""
) -> str:
    """`<instance id in [A-Za-z0-9._-]>.<12 hex>`.

    The hex digits are of the BLAKE3 hash over scaffold, instance and the source's own run id
    where it has one (ids such as SWE-Gym's `run_id` are shared by instances), and over the
    messages as JSON otherwise: role before content where every message is these two texts and
    nothing else, sorted keys else. Raises RecordError where the messages cannot be written as
    JSON: lone surrogates, integers beyond 64 bits.
    """
    hashed: Any = messages
    option = orjson.OPT_SORT_KEYS
    if stated_id is not None:
        hashed, option = [scaffold, instance_id, stated_id], 0
    elif all(len(one) == 2 and isinstance(one["content"], str) for one in messages):
        hashed = [{"role": one["role"], "content": one["content"]} for one in messages]
        option = 0
    try:
        digits = blake3(orjson.dumps(hashed, option=option)).hexdigest(6)
    except (TypeError, RecursionError) as error:
        raise RecordError(f"the messages cannot be written as JSON: {error}") from error
    name = UNSAFE.sub("_", instance_id[: 4 * NAME_CHARS])[:NAME_CHARS]
    return f"{name or 'unknown'}.{digits}"


_COLUMNS: dict[str, Any] = {
    "trajectory_id": pl.String,
    "instance_id": pl.String,
    "batch": pl.String,
    "scaffold": pl.String,
    "format": pl.String,
    "model": pl.String,
    "exit_status": pl.String,
    "submission": pl.String,
    "source_resolved": pl.Boolean,
    "messages": pl.String,
    "tools": pl.String,
    "source": pl.String,
    "source_row": pl.Int64,
    "stated_id": pl.String,
    "n_steps": pl.Int32,
    "step_messages": pl.List(pl.Int32),
    "step_thoughts": pl.List(pl.String),
    "step_tools": pl.List(pl.List(pl.String)),
    "step_commands": pl.List(pl.List(pl.String)),
    "step_call_ids": pl.List(pl.List(pl.String)),
    "step_observations": pl.List(pl.List(pl.String)),
    "step_return_codes": pl.List(pl.List(pl.Int32)),
}
TRAJECTORIES = pl.Schema({**_COLUMNS, "step_words": pl.List(pl.String)})
"""`step_words` is what `command_word` of sql/macros says of each first action: reading all commands
of a large platform again for every question takes seconds."""
STEP_COLUMNS = (
    *("step_messages", "step_thoughts", "step_tools", "step_commands", "step_call_ids"),
    *("step_observations", "step_return_codes"),
)
"""Columns with one element a step."""
AS_THEY_ARE = (
    *("trajectory_id", "instance_id", "scaffold", "format", "model", "exit_status", "submission"),
    *("source", "stated_id"),
)
"""Columns that hold a field of the run under its own name."""

_EMPTY = pl.Schema(_COLUMNS).to_frame().to_arrow(compat_level=pl.CompatLevel.newest())
ROWS = pa.large_list(pa.struct(list(_EMPTY.schema)))
"""The rows as Arrow knows them, with texts as polars holds them: nothing is copied on the way."""
UNFIT = (TypeError, ValueError, OverflowError, pa.ArrowException)


def frame_of(runs: Iterable[Trajectory], batch: str) -> tuple[pl.DataFrame, list[Refusal]]:
    """The rows of the partition `batch`, and the runs that do not fit the schema."""
    made = [row_of(run, batch) for run in runs]
    frames = [one for one in made if isinstance(one, pl.DataFrame)]
    return joined(frames), [one for one in made if isinstance(one, Refusal)]


def joined(rows: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """One frame of rows as `row_of` makes them, with the words of their commands."""
    frame = pl.concat([pl.Schema(_COLUMNS).to_frame(), *rows], rechunk=True)
    return frame.with_columns(command_words(frame["step_commands"])).cast(TRAJECTORIES)


def command_words(commands: pl.Series) -> pl.Series:
    """`step_words` of `step_commands`."""
    (macro,) = (file.text for file in sql_files("macros") if file.name == "command_word")
    with connect() as connection:
        connection.execute(macro)
        connection.register("given", pl.DataFrame({"steps": commands}).to_arrow())
        words: pl.Series = connection.sql(
            "SELECT list_transform(steps, lambda given: command_word(given[1])) AS step_words "
            "FROM given"
        ).pl()["step_words"]
    return words


def row_of(run: Trajectory, batch: str) -> pl.DataFrame | Refusal:
    """The row of one run, without `step_words`, or why it does not fit the schema."""
    try:
        return rows_of([run], batch)
    except UNFIT as error:
        reason = f"does not fit the schema: {excerpt_of(str(error))}"
        return Refusal(run.source, reason, run.row, run.trajectory_id)


def rows_of(runs: Sequence[Trajectory], batch: str) -> pl.DataFrame:
    """Rows of the partition `batch`, without `step_words`.

    Raises one of `UNFIT` where a run does not fit.
    A scalar, because `pyarrow.array` of a list would import pandas, which takes seconds.
    """
    cells = pa.scalar([_cells(run, batch) for run in runs], ROWS).values
    return pl.DataFrame(pa.RecordBatch.from_struct_array(cells))


def _cells(run: Trajectory, batch: str) -> dict[str, Any]:
    return {name: getattr(run, name) for name in AS_THEY_ARE} | {
        "batch": batch,
        "source_resolved": run.resolved,
        "messages": orjson.dumps(run.messages).decode(),
        "tools": None if run.tools is None else orjson.dumps(run.tools).decode(),
        "source_row": run.row,
        "n_steps": len(run.steps),
        "step_messages": [step.message_index for step in run.steps],
        "step_thoughts": [step.thought for step in run.steps],
        "step_tools": [[one.tool for one in step.actions] for step in run.steps],
        "step_commands": [[one.command for one in step.actions] for step in run.steps],
        "step_call_ids": [[one.call_id for one in step.actions] for step in run.steps],
        "step_observations": [step.observations for step in run.steps],
        "step_return_codes": [step.return_codes for step in run.steps],
    }


def from_row(row: dict[str, Any]) -> Trajectory:
    """The run of one row (as `frame.iter_rows(named=True)` gives it)."""
    return Trajectory(
        messages=orjson.loads(row["messages"]),
        steps=_steps(row),
        resolved=row["source_resolved"],
        tools=None if row["tools"] is None else orjson.loads(row["tools"]),
        row=row["source_row"],
        **{name: row[name] for name in AS_THEY_ARE},
    )


def _steps(row: dict[str, Any]) -> list[Step]:
    columns = (row[name] for name in STEP_COLUMNS)
    return [
        Step(index, message, thought, [*map(Action, *actions)], observations, codes)
        for index, (message, thought, *actions, observations, codes) in enumerate(
            zip(*columns, strict=True)
        )
    ]
