"""One look at a file: its role, its rows, its hash."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

from blake3 import blake3

from srft_assets.refusal import excerpt_of
from srft_assets.trajectories.manifest import Layout
from srft_assets.trajectories.parse import MAX_ROW_BYTES, BadJsonError, outline, parse, too_large
from srft_assets.trajectories.roles import (
    RUNS,
    Role,
    is_conversation,
    is_outlined_run,
    refused,
    rule_columns,
    rule_object,
    rule_rows,
    rule_suffix,
)
from srft_assets.trajectories.scanned import Scanned
from srft_assets.trajectories.sources import digest_of
from srft_assets.trajectories.spans import Rows, index_array, index_lines
from srft_assets.trajectories.tables import BadTableError, shape_of
from srft_assets.trajectories.walk import Found

PROBED_ROWS = 3
"""Readable rows that decide the role of a file with many."""
PROBED_LINES = 50


def scan(found: Found, forced: bool = False) -> Scanned:
    """Decide a file's role; `forced`: the user named the reader, so that any JSON may be runs."""
    by_name = rule_suffix(found.at.name)
    if by_name is not None:
        return Scanned(found, by_name)
    if found.size == 0:
        return Scanned(found, refused("empty file"))
    try:
        with found.at.open("rb") as file:
            seen = _look(found, file)
    except OSError as error:
        return Scanned(found, refused(f"file cannot be read: {error.strerror}"))
    except BadTableError as error:
        return Scanned(found, refused(str(error)))
    if forced and seen.ruling.role is Role.REFUSED and seen.blake3:
        return Scanned(found, RUNS, seen.layout, seen.blake3, seen.rows, seen.index)
    return seen


def _look(found: Found, file: BinaryIO) -> Scanned:
    suffix = found.at.suffix.lower()
    if suffix in (".parquet", ".arrow"):
        layout: Layout = "parquet" if suffix == ".parquet" else "arrow"
        rows, names = shape_of(found.at, layout)
        sha = digest_of(file, 0, found.size)
        ruling = rule_columns(names) if rows else refused("empty table: no rows")
        return Scanned(found, ruling, layout, sha, rows)
    if suffix in (".jsonl", ".ndjson"):
        return _lines(found, file)
    if found.size > MAX_ROW_BYTES:
        return _large(found, file)
    data = file.read()
    return _array(found, file) if _is_list(data[:64]) else _object(found, file, data)


def _is_list(head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"["


def _large(found: Found, file: BinaryIO) -> Scanned:
    """A file that is not to be held in memory."""
    if _is_list(file.read(64)):
        return _array(found, file)
    file.seek(0)
    if _is_value(file.readline(MAX_ROW_BYTES)):
        return _lines(found, file)
    return Scanned(found, refused(too_large(found.size)))


def _object(found: Found, file: BinaryIO, data: bytes) -> Scanned:
    if is_outlined_run(outline(data)):
        return Scanned(found, RUNS, "object", blake3(data).hexdigest())
    try:
        value = parse(data)
    except BadJsonError as error:
        first_line = data.partition(b"\n")[0]
        if len(first_line) < len(data.strip()) and _is_value(first_line):
            return _lines(found, file)
        return Scanned(found, refused(str(error)), excerpt=excerpt_of(data[:1000]))
    ruling = rule_object(value) if isinstance(value, dict) else rule_rows([value])
    return Scanned(found, ruling, "object", blake3(data).hexdigest())


def _is_value(line: bytes) -> bool:
    try:
        return isinstance(parse(line), dict)
    except BadJsonError:
        return False


def _lines(found: Found, file: BinaryIO) -> Scanned:
    content = blake3()
    index = index_lines(file, content.update)
    return _of_rows(found, file, "lines", content.hexdigest(), index)


def _array(found: Found, file: BinaryIO) -> Scanned:
    sha = digest_of(file, 0, found.size)
    index = index_array(file, found.size)
    if len(index) == 0:
        return Scanned(found, refused("empty list: no runs"))
    first = next(_values(file, index), None)
    if is_conversation([first]):
        if found.size > MAX_ROW_BYTES:
            return Scanned(found, refused(too_large(found.size)))
        file.seek(0)
        data = file.read()
        try:
            parse(data)
        except BadJsonError as error:
            return Scanned(found, refused(str(error)), excerpt=excerpt_of(data[:1000]))
        return Scanned(found, RUNS, "object", sha)
    return _of_rows(found, file, "array", sha, index)


def _of_rows(found: Found, file: BinaryIO, layout: Layout, sha: str, index: Rows) -> Scanned:
    values = list(
        islice((value for value in _values(file, index) if value is not None), PROBED_ROWS)
    )
    if values:
        return Scanned(found, rule_rows(values), layout, sha, len(index), index)
    start, end = index.span(0, 1)
    file.seek(start)
    head = file.read(min(end - start, MAX_ROW_BYTES))
    reason = too_large(end - start) if end - start > MAX_ROW_BYTES else _error(head)
    lead = "no readable row; row 0: " if len(index) > 1 else ""
    return Scanned(found, refused(f"{lead}{reason}"), excerpt=excerpt_of(head[:1000]))


def _error(data: bytes) -> str:
    try:
        parse(data)
    except BadJsonError as error:
        return str(error)
    return "null"


def _values(file: BinaryIO, index: Rows) -> Iterator[Any]:
    """The first rows, parsed; None for one that is broken or too large."""
    for row in range(min(len(index), PROBED_LINES)):
        start, end = index.span(row, 1)
        if end - start > MAX_ROW_BYTES:
            yield None
            continue
        file.seek(start)
        try:
            yield parse(file.read(end - start))
        except BadJsonError:
            yield None
