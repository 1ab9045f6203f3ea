"""A reply as one line of JSON.

    {"key":"<64 hex>","digest":"<32 hex>","content":…,"refusal":…,…}

Key and digest stand at fixed places, so that both are found without parsing JSON. The digest is
over everything else on the line: a damaged line never passes for an answer.

JSON and Parquet hold Unicode only. A text with lone surrogates, which a server can send as
`\\ud800`, is stored with U+FFFD in their place, and exactly, in ASCII, in the column `exact`.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import orjson

from srft_assets.critic.call import Reply

ANSWER_CHARS = 512 * 1024
"""A longer answer or refusal is cut: DuckDB reads lines of up to 16 MiB."""
NAME_CHARS = 1_000
"""The same for model, finish reason, critic and run."""
ANSWERS = ("content", "refusal")
NAMES = ("finish_reason", "model", "critic", "about", "at")

KEY = re.compile(r"[0-9a-f]{64}")
LINE = re.compile(rb'\{"key":"([0-9a-f]{64})","digest":"([0-9a-f]{32})",')
DEFAULTS = asdict(Reply(key="", content=None, refusal=None, finish_reason=None, model=""))
FIELDS = tuple(field.name for field in fields(Reply))
TORN = "torn: its end was never written"
"""A writer died while it wrote the last line of its file; nobody was told that it is kept."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A reply and the digest of its line. Of two with one key, the lesser `order` is first."""

    reply: Reply
    digest: str

    @property
    def order(self) -> tuple[str, str]:
        """When it came; among equals the digest decides, so that all readers agree."""
        return self.reply.at, self.digest


def kept(reply: Reply) -> Reply:
    """The reply as the ledger keeps it: whole, unless it is longer than any sound answer."""
    limits = {**dict.fromkeys(ANSWERS, ANSWER_CHARS), **dict.fromkeys(NAMES, NAME_CHARS)}
    texts = {name: getattr(reply, name) for name in limits}
    cut = {
        name: text[: limits[name]]
        for name, text in texts.items()
        if text and len(text) > limits[name]
    }
    return replace(reply, **cut) if cut else reply


def encode(reply: Reply) -> bytes:
    """One line, its end included. Raises ValueError for a key that is not 64 hex digits."""
    if not KEY.fullmatch(reply.key):
        raise ValueError(f"not the key of a request: {reply.key[:80]!r}")
    row = asdict(kept(reply))
    key = row.pop("key")
    try:
        rest = orjson.dumps(row)
    except orjson.JSONEncodeError:
        rest = orjson.dumps(_in_unicode(row))
    return b'{"key":"%s","digest":"%s",%s\n' % (
        key.encode(),
        _digest(key.encode(), rest[1:]),
        rest[1:],
    )


def _in_unicode(row: dict[str, Any]) -> dict[str, Any]:
    texts = {name: text for name, text in row.items() if isinstance(text, str)}
    sound = {name: _replaced(text) for name, text in texts.items()}
    exact = {name: text for name, text in texts.items() if text != sound[name]}
    return {**row, **sound, "exact": json.dumps(exact)}


def _replaced(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _digest(key: bytes, rest: bytes) -> bytes:
    return hashlib.sha256(key + rest).hexdigest()[:32].encode()


def fault(line: bytes) -> str | None:
    """What is wrong with a line; None where it is sound."""
    if not line.endswith(b"\n"):
        return TORN
    found = LINE.match(line)
    if not found:
        return "not a line of the ledger"
    if _digest(found[1], line[found.end() : -1]) != found[2]:
        return "damaged: its digest differs"
    return None


def key_of(line: bytes) -> bytes:
    """The key of a sound line, without parsing it."""
    return line[8:72]


def decode(line: bytes) -> Entry:
    """The reply of a sound line."""
    return from_row(orjson.loads(line))


def to_row(line: bytes) -> dict[str, Any]:
    """The columns of a sound line, `digest` and `exact` among them."""
    row: dict[str, Any] = orjson.loads(line)
    return row


def from_row(row: dict[str, Any]) -> Entry:
    """The reply of a line or of a Parquet row. What an older version did not write is empty."""
    given = {name: row[name] for name in FIELDS if row.get(name) is not None}
    if row.get("exact"):
        given |= json.loads(row["exact"])
    return Entry(Reply(**{**DEFAULTS, **given}), row["digest"])
