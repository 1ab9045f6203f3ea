"""Bytes to JSON values, with a reason a person can act on where that fails."""

import json
import re
from typing import Any

import msgspec
import orjson

MAX_ROW_BYTES = 64 << 20
"""A larger record is refused: no known scaffold writes one, and it would fill the memory."""

_OUTLINE = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NUL_SURROGATE = re.compile(r"[\ud800-\udfff]")


class BadJsonError(ValueError):
    """The bytes are not a JSON value that can be kept; `str` says why in one line."""


def parse(data: bytes) -> Any:
    """The JSON value of `data`; NaN and infinities, which Python writes, become None.

    Raises BadJsonError; line breaks at the end do not count for its reason.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        bare = data.rstrip(b"\n")
        return _second_try(data, error) if len(bare) == len(data) else parse(bare)


def outline(data: bytes) -> dict[str, bytes]:
    """The keys of a JSON object, each with the first byte of its value; empty for other data.

    Takes half the time of `parse`, and checks all but whether the texts are UTF-8.
    """
    try:
        values = _OUTLINE.decode(data)
    except (ValueError, RecursionError):
        return {}
    return {key: bytes(memoryview(value)[:1]) for key, value in values.items()}


def _second_try(data: bytes, error: orjson.JSONDecodeError) -> Any:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        raise BadJsonError(
            f"not UTF-8: byte 0x{data[bad.start]:02x} at offset {bad.start}"
        ) from None
    if not text.strip():
        raise BadJsonError("empty: no JSON value") from None
    try:
        value = json.loads(text, parse_constant=lambda _: None)
    except (json.JSONDecodeError, RecursionError, ValueError):
        raise BadJsonError(_reason(data, error)) from None
    if _NUL_SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise BadJsonError("half of a surrogate pair (\\ud800 … \\udfff): not valid Unicode")
    return value


def _reason(data: bytes, error: orjson.JSONDecodeError) -> str:
    if error.msg == "unexpected end of data":
        return f"truncated JSON: it ends after {len(data)} bytes inside a value"
    return f"broken JSON: {error.msg} (character {error.pos})"


def too_large(size: int, limit: int = MAX_ROW_BYTES) -> str:
    """Reason for refusing a record of `size` bytes."""
    return f"one record of {_mb(size)}: the limit is {_mb(limit)}; split it or leave it out"


def _mb(size: int) -> str:
    return f"{size / (1 << 20):.0f} MB" if size >= 10 << 20 else f"{size / (1 << 20):.1f} MB"
