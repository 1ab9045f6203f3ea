"""Calls of a critic: what is asked, what came back, and the table `critic_calls`.

`<warehouse>/critic_calls/<critic>/<batch>.parquet` holds all calls that a critic was ever paid for
about a batch, whatever became of its verdicts, so that every DuckDB client sees them. It is written
when the making of the verdicts ends, also when it fails or is interrupted; where the process was
killed, by the next command.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from srft_assets.files import place
from srft_assets.home import Home
from srft_assets.processes.locks import exclusive
from srft_assets.warehouse.partitions import CALLS
from srft_assets.warehouse.recipe import digest

KEY = re.compile(r"[0-9a-f]{64}")
ANSWER_CHARS = 512 * 1024
"""A longer answer or refusal is cut: it is no sound one."""
OPEN = "_open"
"""Folder of the locks that are held while the calls of a partition are being paid for."""


@dataclass(frozen=True)
class Request:
    """One request to `POST <base_url>/chat/completions`.

    Attributes:
        body: the exact JSON body: model, messages, sampling, schema. No key, no URL.
        steps: step indexes that the answer must label, each once.
        about: trajectory_id of the run, for people who read the ledger.
    """

    body: dict[str, Any]
    steps: range
    about: str = ""

    @cached_property
    def key(self) -> str:
        """64 hex digits over the body: the key of the ledger."""
        return digest(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answered call, as the ledger keeps it.

    Attributes:
        key: of the request.
        content: text of the answer; None where there is none.
        refusal: the model's refusal in the field of that name; None where it did not refuse.
        finish_reason: as the server states it: `stop`, `length`, `content_filter`, …
        model: as the server names itself in the answer.
        prompt_tokens, completion_tokens, cached_tokens: as the server counts; where it does
            not, 0 for the client, and in the ledger an estimate from the bytes of both.
        seconds: from the first attempt to the answer.
        retries: attempts before the one that was answered.
        at: ISO 8601, UTC, when the answer came.
        critic: who asked.
        about: trajectory_id of the run.
        batch: partition for which it was asked; empty where that was not noted.
    """

    key: str
    content: str | None
    refusal: str | None
    finish_reason: str | None
    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    retries: int = 0
    at: str = ""
    critic: str = ""
    about: str = ""
    batch: str = ""


def says_nothing(reply: Reply) -> bool:
    """Whether an answer is the provider's failure in the shape of an answer: it states an error, or
    holds neither text nor tokens, and no reason for that."""
    if reply.finish_reason == "error":
        return True
    withheld = reply.finish_reason in ("content_filter", "length")
    return not (reply.content or reply.refusal or reply.completion_tokens or withheld)


def reply_of(answer: Any) -> Reply | None:
    """The reply, without a key, in what was parsed of a server's chat completion; None where it
    holds no answer of a model. Counts of tokens are 0 where the server has none.

    An oddity beside the answer is no reason to lose the answer, which is paid for. What a model
    wrote into its reasoning alone is taken as its answer, unless it was cut there.
    """
    choices = _at(answer, "choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = _at(choice, "message")
    content = _at(message, "content")
    if not isinstance(message, dict) or not isinstance(content, str | list | None):
        return None
    usage = _at(answer, "usage")
    thought = _text(_at(message, "reasoning_content")) or _text(_at(message, "reasoning"))
    finish = _text(_at(choice, "finish_reason"))
    reply = Reply(
        key="",
        content=_text(content) or (thought if finish != "length" else None),
        refusal=_text(_at(message, "refusal")),
        finish_reason=finish,
        model=_text(_at(answer, "model")) or "",
        prompt_tokens=_count(_at(usage, "prompt_tokens")),
        completion_tokens=_count(_at(usage, "completion_tokens")),
        cached_tokens=_count(_at(_at(usage, "prompt_tokens_details"), "cached_tokens")),
    )
    return None if _at(choice, "error") or says_nothing(reply) else reply


def parsed(body: bytes) -> Any:
    """JSON, or None; loosely where need be: raw control characters and halves of surrogate pairs
    pass."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            return json.loads(body, strict=False)
        except (ValueError, RecursionError):
            return None


def _at(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _text(value: Any) -> str | None:
    """Text that UTF-8 can hold; also of a content that comes in parts, as some gateways send it."""
    if isinstance(value, list):
        parts = [_at(part, "text") for part in value]
        value = "".join(part for part in parts if isinstance(part, str))
    if not isinstance(value, str):
        return None
    return value[:ANSWER_CHARS].encode("utf-8", "replace").decode()


def _count(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**53 else 0


CRITIC_CALLS = pl.Schema(
    {
        "key": pl.String,
        "critic": pl.String,
        "batch": pl.String,
        "about": pl.String,
        "model": pl.String,
        "at": pl.String,
        "prompt_tokens": pl.Int64,
        "completion_tokens": pl.Int64,
        "cached_tokens": pl.Int64,
        "seconds": pl.Float64,
        "retries": pl.Int64,
        "finish_reason": pl.String,
        "refusal": pl.String,
        "content": pl.String,
    }
)
"""The fields of `Reply`; what is no Unicode stands as U+FFFD."""


def to_row(reply: Reply) -> dict[str, Any]:
    """A row of the database: the fields, and a digest by which `srft ledger verify` knows damage.

    Raises ValueError for a key that is not 64 hex digits.
    """
    if not KEY.fullmatch(reply.key):
        raise ValueError(f"not the key of a request: {reply.key[:80]!r}")
    from srft_assets.database.store import answer_digest

    row = asdict(reply)
    return {**row, "digest": answer_digest(row)}


def from_row(row: Mapping[str, Any]) -> Reply:
    """The reply of a row; a field that is absent or None is as `Reply` says, or None."""
    empty = {"content": None, "refusal": None, "finish_reason": None, "model": ""}
    names = (field.name for field in fields(Reply))
    return Reply(**{**empty, **{name: row[name] for name in names if row.get(name) is not None}})


def calls_folder(home: Home) -> Path:
    return home.warehouse / CALLS


@contextmanager
def calls_written(home: Home, critic: str, batch: str) -> Iterator[None]:
    """Whatever ends what is inside, the calls of the partition are written afterwards."""
    mark = calls_folder(home) / OPEN / critic / f"{batch}.lock"
    with exclusive(mark):
        try:
            yield
        finally:
            write_calls(home, critic, batch)
            mark.unlink(missing_ok=True)


def write_open_calls(home: Home) -> None:
    """Write the partitions that are being paid for, or were when their process was killed."""
    for mark in sorted(calls_folder(home).glob(f"{OPEN}/*/*.lock")):
        with exclusive(mark, wait=False) as left:
            write_calls(home, mark.parent.name, mark.stem)
            if left:
                mark.unlink(missing_ok=True)


def write_calls(home: Home, critic: str, batch: str) -> None:
    """Write a partition as the ledger has it now; nothing where it holds no call of it."""
    import sqlalchemy as sa  # most commands find nothing to write, and need no database

    from srft_assets.database.store import ANSWERS, database_of

    database = database_of(home)
    wanted = sa.select(ANSWERS).filter_by(critic=critic, batch=batch)
    with exclusive(database.locks / "critic_calls.lock"):
        with database.read() as connection:
            rows = connection.execute(wanted.order_by(ANSWERS.c.at, ANSWERS.c.key)).mappings().all()
        if rows:
            buffer = io.BytesIO()
            frame = pl.DataFrame(
                {name: [_in_unicode(row[name]) for row in rows] for name in CRITIC_CALLS},
                schema=CRITIC_CALLS,
            )
            frame.write_parquet(buffer)
            place(calls_folder(home) / critic / f"{batch}.parquet", buffer.getvalue())


def _in_unicode(value: Any) -> Any:
    """With U+FFFD for lone surrogates, which a server can send as `\\ud800`."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
