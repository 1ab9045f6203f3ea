"""The records of files, one after the other: JSON Lines, JSON arrays, Parquet and Arrow tables."""

import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import ijson
import orjson
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from srft_assets.errors import SrftError, excerpt_of

MAX_RECORD_BYTES = 64 << 20
"""A larger record is refused: no known scaffold writes one, and it would fill the memory."""
MAX_LOG_BYTES = 1 << 30
"""A larger `.eval` log is refused: it is held packed while its samples are read one by one."""
CHUNK = 1 << 18
EXCERPT_BYTES = 1000
ROWS_AT_ONCE = 16
"""Rows of a table that become Python objects together; 1 MB in Arrow is about 3 MB in Python."""
ZSTANDARD = 93
"""Of a zip entry: packed with Zstandard."""
HEADERS = ("header.json", "_journal/start.json")
"""Entries of an `.eval` log that tell of its task: when it ended, and while it ran."""
BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, pa.ArrowException, OSError, ValueError)
"""What reading a damaged archive raises."""
OPEN = frozenset({"args", "arguments", "input_schema", "parameters", "tools"})
"""Fields whose objects have the keys that a tool or its call wants, not those of the format."""
SURROGATE = re.compile(r"[\ud800-\udfff]")


class BadJsonError(ValueError):
    """The bytes are not a JSON value that can be kept; `str` says why in one line."""


class BadTableError(SrftError):
    """Not a readable Parquet or Arrow file."""


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


def of_array(data: bytes, whole: Record, limit: int = MAX_RECORD_BYTES) -> Iterator[Record]:
    """The elements of a JSON array that was parsed as one record; of a broken one those before
    the fault.
    """
    if whole.problem:
        yield from of_huge_array(BytesIO(data), limit)
        return
    for row, value in enumerate(whole.value):
        yield _within(Record(value, row, len(data) // len(whole.value)), len(data), limit)


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


def of_session(lines: Iterable[Record]) -> Iterator[Record]:
    """The list of the lines of one run as a record, and then each line that cannot be read."""
    values, size, broken = [], 0, []
    for line in lines:
        size += line.size
        if line.problem:
            problem = f"line {(line.row or 0) + 1} of the session, which is read without it: "
            broken.append(replace(line, row=None, size=0, problem=problem + line.problem))
        elif not line.blank:
            values.append(line.value)
    yield Record(values, None, size)
    yield from broken


def of_eval(data: bytes, limit: int = MAX_RECORD_BYTES) -> Iterator[Record]:
    """The samples of an `.eval` log of Inspect, each as the log it would be alone.

    Raises BadTableError where the archive or its header cannot be read.
    """
    try:
        entries = {one.filename: one for one in zipfile.ZipFile(BytesIO(data)).infolist()}
        header = next((entries[one] for one in HEADERS if one in entries), None)
        about = parse(_entry(data, header, limit)) if header else None
    except BROKEN as error:
        raise BadTableError(f"broken .eval file: {_line(error)}") from None
    if not isinstance(about, dict):
        raise BadTableError("an .eval file without header.json: not a log of Inspect")
    for row, name in enumerate(sorted(one for one in entries if one.startswith("samples/"))):
        entry = entries[name]
        try:
            sample = parsed(_entry(data, entry, limit), row)
        except BROKEN as error:
            yield Record(None, row, entry.compress_size, f"broken .eval file: {_line(error)}")
            continue
        log = {"eval": about.get("eval"), "samples": [sample.value]}
        yield sample if sample.problem else replace(sample, value=log, line=b"")


def _entry(data: bytes, entry: zipfile.ZipInfo, limit: int) -> bytes:
    """The content of an entry; newer logs are packed with Zstandard, which `zipfile` cannot read.

    Its bytes begin after a local header of 30 bytes, a name and a field of stated lengths.
    """
    if entry.file_size > limit:
        raise ValueError(f"{entry.filename} is {too_large(entry.file_size, limit)}")
    head = entry.header_offset + 30
    name, extra = struct.unpack("<HH", data[head - 4 : head])
    packed = data[head + name + extra :][: entry.compress_size]
    if entry.compress_type == ZSTANDARD:
        content = pa.decompress(packed, entry.file_size, codec="zstd", asbytes=True)
    elif entry.compress_type == zipfile.ZIP_DEFLATED:
        content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, entry.file_size)
    elif entry.compress_type == zipfile.ZIP_STORED:
        content = packed
    else:
        raise ValueError(f"packed in an unknown way ({entry.compress_type})")
    if len(content) != entry.file_size:
        raise ValueError(f"{entry.filename} is shorter than it states")
    return content


def of_table(
    path: Path, layout: str, first: int, rows: int, size: int, limit: int = MAX_RECORD_BYTES
) -> Iterator[Record]:
    """Rows of a table, each of about `size` bytes; the last tells where it breaks off."""
    after = first
    try:
        for number, row in read_rows(path, layout, first, rows, limit):
            after = number + 1
            if isinstance(row, int):
                yield Record(None, number, row, too_large(row, limit))
            else:
                yield Record(unpadded(row), number, size)
    except BadTableError as error:
        yield Record(None, after, 0, str(error))


def unpadded(value: Any, within: bool = False) -> Any:
    """The value without the keys of its calls and tools that are null: Arrow gives each object of
    a column those of all, so that a call would hold the arguments of every other tool. A `default`
    of null stays where the type allows null, and null within a list (an `enum`) everywhere."""
    if isinstance(value, dict):
        return {
            key: unpadded(cell, within or key in OPEN or _is_given(key, cell, value))
            for key, cell in value.items()
            if cell is not None or not within or (key == "default" and _takes_null(value))
        }
    return [unpadded(cell, within) for cell in value] if isinstance(value, list) else value


def _is_given(key: str, cell: Any, beside: dict[str, Any]) -> bool:
    """Whether an object is the arguments of Anthropic's `tool_use`, or of an `api_action`."""
    named = (key, beside.get("type")) == ("input", "tool_use") or (
        (key, beside.get("class_")) == ("kwargs", "api_action")
    )
    return named and isinstance(cell, dict)


def _takes_null(schema: dict[str, Any]) -> bool:
    """Whether a JSON schema says that null is a value of its type."""
    kinds = schema.get("type")
    if kinds == "null" or schema.get("nullable") is True:
        return True
    for name in ("anyOf", "oneOf"):
        choices = schema.get(name)
        if isinstance(choices, list) and any(
            isinstance(c, dict) and _takes_null(c) for c in choices
        ):
            return True
    return isinstance(kinds, list) and "null" in kinds


def shape_of(path: Path, layout: str) -> tuple[int, list[str]]:
    """Row count and column names. Raises BadTableError."""
    try:
        if layout == "parquet":
            with pq.ParquetFile(path) as file:
                return file.metadata.num_rows, file.schema_arrow.names
        with pa.memory_map(str(path)) as source:
            reader = _arrow_reader(source)
            return sum(piece.num_rows for piece in reader), reader.schema.names
    except (pa.ArrowException, OSError, EOFError) as error:
        raise BadTableError(f"broken {layout} file: {_line(error)}") from None


def read_rows(
    path: Path, layout: str, first: int, rows: int, limit: int
) -> Iterator[tuple[int, dict[str, Any] | int]]:
    """Row number and row, for `rows` rows from `first` on, a few in memory at a time.

    A row of more than `limit` bytes is given as its size, and is not turned into Python
    objects. Raises BadTableError.
    """
    number = first
    try:
        for piece in _pieces(path, layout, first, first + rows):
            fits = piece.nbytes <= limit
            for row in piece.to_pylist() if fits else _one_by_one(piece, limit):
                yield number, row
                number += 1
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise BadTableError(f"broken {layout} file at row {number}: {_line(error)}") from None


def _one_by_one(piece: pa.RecordBatch, limit: int) -> Iterator[dict[str, Any] | int]:
    for at in range(piece.num_rows):
        row = piece.slice(at, 1)
        yield row.nbytes if row.nbytes > limit else row.to_pylist()[0]


def _pieces(path: Path, layout: str, first: int, last: int) -> Iterator[pa.RecordBatch]:
    """The rows from `first` to before `last`, at most `ROWS_AT_ONCE` together."""
    blocks = _parquet_blocks(path, first) if layout == "parquet" else _arrow_blocks(path)
    for at, block in blocks:
        stop = min(last - at, block.num_rows)
        for start in range(max(first - at, 0), stop, ROWS_AT_ONCE):
            yield block.slice(start, min(ROWS_AT_ONCE, stop - start))
        if at + block.num_rows >= last:
            return


def _parquet_blocks(path: Path, first: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Rows with the number of the first of them. Row groups before `first` are not read."""
    with pq.ParquetFile(path) as file:
        at = 0
        for group in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if at + rows <= first:
                at += rows
                continue
            for block in file.iter_batches(ROWS_AT_ONCE, row_groups=[group]):
                yield at, block
                at += block.num_rows


def _arrow_blocks(path: Path) -> Iterator[tuple[int, pa.RecordBatch]]:
    with pa.memory_map(str(path)) as source:
        at = 0
        for block in _arrow_reader(source):
            yield at, block
            at += block.num_rows


def _arrow_reader(source: pa.NativeFile) -> Any:
    """Batches and schema of a stream, as `datasets` writes it, or of an IPC file."""
    try:
        file = pa.ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
        return pa.ipc.open_stream(source)
    batches = (file.get_batch(index) for index in range(file.num_record_batches))
    return pa.RecordBatchReader.from_batches(file.schema, batches)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
