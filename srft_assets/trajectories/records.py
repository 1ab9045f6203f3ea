"""The records of JSON files, one after the other: of JSON Lines, of arrays, and whole files."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

import ijson
import orjson

from srft_assets.refusal import excerpt_of

MAX_RECORD_BYTES = 64 << 20
"""A larger record is refused: no known scaffold writes one, and it would fill the memory."""
CHUNK = 1 << 18
EXCERPT_BYTES = 1000
SURROGATE = re.compile(r"[\ud800-\udfff]")


class BadJsonError(ValueError):
    """The bytes are not a JSON value that can be kept; `str` says why in one line."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file.

    Attributes:
        value: as it came; None also where it cannot be read.
        row: 0-based; None where the file is one record.
        size: bytes it takes in the file, about where the file does not say.
        problem: why it cannot be read, in one line.
        excerpt: its first characters, where it cannot be read.
        blank: an empty line, which counts as a row and holds nothing.
        line: the bytes of a line of JSON Lines; none of one that is over the limit.
    """

    value: Any
    row: int | None
    size: int
    problem: str = ""
    excerpt: str = ""
    blank: bool = False
    line: bytes = b""


def parse(data: bytes) -> Any:
    """The JSON value of `data`; NaN and infinities, which Python writes, become None.

    Raises BadJsonError; line breaks at the end do not count for its reason.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        bare = data.rstrip(b"\n")
        return _second_try(data, error) if len(bare) == len(data) else parse(bare)


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
    if SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise BadJsonError("half of a surrogate pair (\\ud800 … \\udfff): not valid Unicode")
    return value


def _reason(data: bytes, error: orjson.JSONDecodeError) -> str:
    if error.msg == "unexpected end of data":
        return f"truncated JSON: it ends after {len(data)} bytes inside a value"
    return f"broken JSON: {error.msg} (character {error.pos})"


def too_large(size: int, limit: int = MAX_RECORD_BYTES) -> str:
    """Reason for refusing a record of `size` bytes."""
    return f"one record of {_mb(size)}: the limit is {_mb(limit)}; split it or leave it out"


def _mb(size: int) -> str:
    return f"{size / (1 << 20):.0f} MB" if size >= 10 << 20 else f"{size / (1 << 20):.1f} MB"


def parsed(data: bytes, row: int | None) -> Record:
    """The record of these bytes."""
    try:
        return Record(parse(data), row, len(data), line=data)
    except BadJsonError as error:
        excerpt = excerpt_of(data[:EXCERPT_BYTES])
        return Record(None, row, len(data), str(error), excerpt, line=data)


def of_lines(
    file: BinaryIO, first: int, left: int, limit: int = MAX_RECORD_BYTES
) -> Iterator[Record]:
    """JSON Lines from where the file stands, `left` bytes of it; `first` is the row there.

    Holds one line at a time.
    """
    row = first
    while line := file.readline(min(left, limit + 1)):
        left -= len(line)
        if len(line) > limit and not line.endswith(b"\n"):
            rest = _skip_line(file, left)
            left -= rest
            yield Record(None, row, len(line) + rest, too_large(len(line) + rest, limit))
        elif line.isspace():
            yield Record(None, row, len(line), blank=True, line=line)
        else:
            yield parsed(line, row)
        row += 1


def _skip_line(file: BinaryIO, left: int) -> int:
    skipped = 0
    while part := file.readline(min(left - skipped, CHUNK)):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped


def of_array(data: bytes, limit: int = MAX_RECORD_BYTES) -> Iterator[Record]:
    """The elements of a JSON array; of a broken one those before the fault."""
    try:
        values = parse(data)
    except BadJsonError:
        return of_huge_array(BytesIO(data), limit)
    return of_values(values, len(data), limit)


def of_values(values: list[Any], size: int, limit: int = MAX_RECORD_BYTES) -> Iterator[Record]:
    """The elements of an array that took `size` bytes."""
    for row, value in enumerate(values):
        yield _within(Record(value, row, size // len(values)), size, limit)


def _within(record: Record, size: int, limit: int) -> Record:
    """The record, if it is not over the limit; it takes no more than `size` bytes."""
    if size <= limit or (own := len(orjson.dumps(record.value))) <= limit:
        return record
    return Record(None, record.row, own, too_large(own, limit))


def of_huge_array(file: BinaryIO, limit: int = MAX_RECORD_BYTES) -> Iterator[Record]:
    """The elements of a JSON array that is not to be held in memory."""
    row = begin = 0
    elements = ijson.items(file, "item", use_float=True)
    while True:
        try:
            value = next(elements)
        except StopIteration:
            return
        except ijson.JSONError as error:
            yield Record(None, row, 0, _fault(str(error)))
            return
        size, begin = file.tell() - begin, file.tell()
        yield _within(Record(value, row, size), size, limit)
        row += 1


def _fault(said: str) -> str:
    line = said.removeprefix("b'").partition("\\n")[0].partition("\n")[0]
    if "premature EOF" in line:
        return "truncated JSON: the array ends inside a value"
    return f"broken JSON: {line}; what follows cannot be read"
