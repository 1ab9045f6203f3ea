"""One call of a critic: what is asked, what came back, and how both are kept."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

from srft_assets.warehouse.recipe import digest

KEY = re.compile(r"[0-9a-f]{64}")


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
        prompt_tokens, completion_tokens, cached_tokens: as the server counts; 0 where it does not.
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


FIELDS = tuple(field.name for field in fields(Reply))


def to_row(reply: Reply) -> dict[str, Any]:
    """Its fields, and a digest over them by which `srft ledger verify` knows damage.

    Raises ValueError for a key that is not 64 hex digits.
    """
    if not KEY.fullmatch(reply.key):
        raise ValueError(f"not the key of a request: {reply.key[:80]!r}")
    row = asdict(reply)
    return {**row, "digest": hashlib.sha256(json.dumps(row).encode()).hexdigest()[:32]}


def from_row(row: Mapping[str, Any]) -> Reply:
    """The reply of a row; a field that is absent or None is as `Reply` says, or None."""
    empty = {"content": None, "refusal": None, "finish_reason": None, "model": ""}
    given = {name: row[name] for name in FIELDS if row.get(name) is not None}
    return Reply(**{**empty, **given})
