"""Files that are read: their records one at a time, and the hash of what was read."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from posixpath import basename, dirname
from typing import BinaryIO

from blake3 import blake3

from srft_assets.errors import SrftError, excerpt_of
from srft_assets.trajectories import records
from srft_assets.trajectories.batches import FileRef, Item, Layout, ReportRef
from srft_assets.trajectories.discover import (
    INSPECT,
    LINES,
    RUNS,
    TABLES,
    Discovery,
    Found,
    Role,
    Ruling,
    is_conversation,
    refused,
    rule_columns,
    rule_object,
    rule_rows,
)
from srft_assets.trajectories.formats import is_claimed, is_session
from srft_assets.trajectories.records import CHUNK, BadTableError, Record, parsed, too_large

TRUST_BYTES = 64 << 20
"""A larger table or array, with size and time as at ingest, is not hashed for every batch."""
CLOCK_TICK_NS = 1_000_000_000
"""Two writes within one tick of a file system's clock may bear one time; no tick is longer."""
PROBED_RECORDS = 3
"""Readable records that decide the role of a file with many."""
PROBED_ROWS = 50


class SourceChangedError(SrftError):
    """A source file is gone, or is not the one that was ingested."""


@dataclass(slots=True)
class SourceFile:
    """A file that is being read: its role, and its records from the first on.

    `blake3` is of the whole file; empty of JSON Lines, whose hash is taken line by line.
    """

    found: Found
    ruling: Ruling
    records: Iterator[Record] = field(default_factory=lambda: iter(()))
    layout: Layout = "object"
    blake3: str = ""
    excerpt: str = ""


def open_source(found: Found, file: BinaryIO, format: str | None = None) -> SourceFile:
    """Decide the role of an open file by its first records, which are parsed once.

    `format`: as the user named it, so that any JSON may be runs.
    """
    try:
        source = _open(found, file, format)
    except BadTableError as error:
        return SourceFile(found, refused(str(error)))
    was_read = source.blake3 or source.layout == "lines"
    if format and source.ruling.role is Role.REFUSED and was_read:
        source.ruling = RUNS
    return source


def holds_reports_alone(found: Discovery) -> bool:
    """Whether reports were found, and no runs."""
    roles = set()
    for file in found.files:
        if file.ruling is not None:
            continue
        try:
            with file.at.open("rb") as opened:
                role = open_source(file, opened).ruling.role
        except OSError:
            continue
        if role is Role.RUNS:
            return False
        roles.add(role)
    return not roles.isdisjoint((Role.REPORT, Role.PREDICTIONS))


def _open(found: Found, file: BinaryIO, format: str | None) -> SourceFile:
    if found.suffix in TABLES:
        return _table(found, file)
    if found.suffix in LINES:
        return _lines(found, file, format)
    if found.suffix == INSPECT:
        return _eval(found, file)
    head = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    file.seek(0)
    if found.size > records.MAX_RECORD_BYTES:
        return _huge(found, file, head, format)
    data = file.read()
    return _array(found, data) if head == b"[" else _object(found, file, data, format)


def _table(found: Found, file: BinaryIO) -> SourceFile:
    layout: Layout = "parquet" if found.suffix == "parquet" else "arrow"
    rows, names = records.shape_of(found.at, layout)
    if not rows:
        return SourceFile(found, refused("empty table: no rows"))
    taken = records.of_table(found.at, layout, 0, rows, found.size // rows)
    ruling = rule_columns(names)
    if ruling.role is Role.REFUSED:
        probed = list(islice(taken, PROBED_RECORDS))
        taken = chain(probed, taken)
        if any(is_claimed(record.value) for record in probed):
            ruling = RUNS
    return SourceFile(found, ruling, taken, layout, digest_of(file))


def _lines(found: Found, file: BinaryIO, format: str | None) -> SourceFile:
    return _of_rows(found, records.of_lines(file, 0, found.size), "lines", "", format)


def _eval(found: Found, file: BinaryIO) -> SourceFile:
    if found.size > records.MAX_LOG_BYTES:
        return SourceFile(found, refused(too_large(found.size, records.MAX_LOG_BYTES)))
    data = file.read()
    taken = records.of_eval(data)
    first = next(taken, None)
    if first is None:
        return SourceFile(found, refused("a log of Inspect in which no sample ended"))
    return SourceFile(found, RUNS, chain((first,), taken), "eval", blake3(data).hexdigest())


def _session(found: Found, lines: Iterable[Record]) -> SourceFile:
    """A file whose lines are one run together; it is held as a whole."""
    if found.size > records.MAX_RECORD_BYTES:
        return SourceFile(found, refused(too_large(found.size)))
    content, kept = blake3(), []
    for line in lines:
        content.update(line.line)
        kept.append(line)
    return SourceFile(found, RUNS, records.of_session(kept), "session", content.hexdigest())


def _huge(found: Found, file: BinaryIO, head: bytes, format: str | None) -> SourceFile:
    """A file that is not to be held in memory."""
    if head != b"[":
        first = parsed(file.readline(records.MAX_RECORD_BYTES), None)
        file.seek(0)
        if isinstance(first.value, dict):
            return _lines(found, file, format)
        return SourceFile(found, refused(too_large(found.size)))
    sha = digest_of(file)
    file.seek(0)
    return _of_rows(found, records.of_huge_array(file), "array", sha)


def _array(found: Found, data: bytes) -> SourceFile:
    whole, sha = parsed(data, None), blake3(data).hexdigest()
    if is_conversation(whole.value):
        return SourceFile(found, RUNS, iter((whole,)), "object", sha)
    taken = records.of_array(data, whole)
    first = next(taken, None)
    if first is None or first.problem or is_conversation([first.value]):
        reason = whole.problem or "empty list: no runs"
        return SourceFile(found, refused(reason), excerpt=whole.excerpt)
    return _of_rows(found, chain((first,), taken), "array", sha)


def _object(found: Found, file: BinaryIO, data: bytes, format: str | None) -> SourceFile:
    record = parsed(data, None)
    if record.problem:
        first = data.partition(b"\n")[0]
        if len(first) < len(data.strip()) and isinstance(parsed(first, 0).value, dict):
            file.seek(0)
            return _lines(found, file, format)
        return SourceFile(found, refused(record.problem), excerpt=record.excerpt)
    value = record.value
    ruling = rule_object(value) if isinstance(value, dict) else rule_rows([value])
    return SourceFile(found, ruling, iter((record,)), "object", blake3(data).hexdigest())


def _of_rows(
    found: Found, taken: Iterator[Record], layout: Layout, sha: str, format: str | None = None
) -> SourceFile:
    probed: list[Record] = []
    values: list[object] = []
    for record in islice(taken, PROBED_ROWS):
        probed.append(record)
        if not record.problem and not record.blank and record.value is not None:
            values.append(record.value)
        if len(values) >= PROBED_RECORDS and _is_known(values, format):
            break
    huge = found.size > records.MAX_RECORD_BYTES
    if huge and layout == "array" and is_conversation(values):
        return SourceFile(found, refused(too_large(found.size)))
    if layout == "lines" and is_session(values, format):
        return _session(found, chain(probed, taken))
    if values:
        ruling = rule_rows(values[:PROBED_RECORDS])
        return SourceFile(found, ruling, chain(probed, taken), layout, sha)
    if not probed:
        return SourceFile(found, refused("empty list: no runs"))
    reason = probed[0].problem or ("empty: no JSON value" if probed[0].blank else "null")
    lead = "no readable row; row 0: " if len(probed) > 1 else ""
    return SourceFile(found, refused(f"{lead}{reason}"), excerpt=excerpt_of(probed[0].excerpt))


def _is_known(values: list[object], format: str | None) -> bool:
    """Whether the first records tell what a file is: a session may begin with what is no run."""
    return rule_rows(values).role is not Role.REFUSED or is_session(values, format)


def read_item(root: Path, item: Item, limit: int = records.MAX_RECORD_BYTES) -> Iterator[Record]:
    """The records of an item of a manifest, one at a time (of a table: a few).

    Raises SourceChangedError where the file is gone, or, after the last record, where what was
    read is not what was ingested: its hash is taken on the way.
    """
    path = root / item.path
    try:
        with path.open("rb") as file:
            if item.layout == "lines":
                content, at = blake3(), item.start
                file.seek(at)
                for record in records.of_lines(file, item.first_row, item.end - at, limit):
                    count_line(content, path, at, record)
                    at += record.size
                    yield record
                sha = content.hexdigest()
            elif item.layout == "session":
                yield from records.of_session(records.of_lines(file, 0, item.end, limit))
                sha = digest_of(file)
            elif item.layout == "object":
                data = file.read()
                yield parsed(data, None)
                sha = blake3(data).hexdigest()
            else:
                yield from _rows(path, file, item, limit)
                # earlier versions hashed of an array its rows, now it is hashed as a whole
                end = item.end if item.layout == "array" else None
                trusted = _trusted(item, path.stat())
                sha = item.blake3 if trusted else digest_of(file, item.start, end)
    except OSError as error:
        raise SourceChangedError(f"{item.path}: {error.strerror}") from None
    except BadTableError as error:
        raise SourceChangedError(f"{item.path}: {error}") from None
    if sha != item.blake3:
        raise SourceChangedError(f"{item.path}: changed since it was ingested")


def _rows(path: Path, file: BinaryIO, item: Item, limit: int) -> Iterator[Record]:
    if item.layout == "eval":
        return islice(
            records.of_eval(file.read(), limit), item.first_row, item.first_row + item.rows
        )
    if item.layout != "array":
        size = item.bytes // max(1, item.rows)
        return records.of_table(path, item.layout, item.first_row, item.rows, size, limit)
    if item.size > records.MAX_RECORD_BYTES:
        taken = records.of_huge_array(file, limit)
    else:
        data = file.read()
        taken = records.of_array(data, parsed(data, None), limit)
    return islice(taken, item.first_row, item.first_row + item.rows)


def unchanged(found: Found, item: Item, written_ns: int) -> bool:
    """Whether the bytes of an item are those that were ingested; the file may have grown lines.

    A file whose size and times are as they were is not read again, if these times lie well
    before `written_ns`, when the manifest was written: a later change would have moved them.
    A file that cannot be read counts as changed.
    """
    with suppress(OSError):
        state = found.at.stat()
        if item.layout in (*TABLES, "array") and _trusted(item, state):
            return True
        then = item.size, item.mtime_ns, item.ctime_ns
        settled = item.ctime_ns + CLOCK_TICK_NS < written_ns
        if settled and (state.st_size, state.st_mtime_ns, state.st_ctime_ns) == then:
            return True
        with found.at.open("rb") as file:
            if item.layout != "lines":
                return digest_of(file) == item.blake3
            if item.end < state.st_size:
                file.seek(item.end - 1)
                if file.read(1) != b"\n":  # the last line went on
                    return False
            return digest_of(file, item.start, item.end) == item.blake3
    return False


def _trusted(item: Item, state: os.stat_result) -> bool:
    """Whether a table or array is too large to be hashed for each batch, and looks untouched."""
    touched = (state.st_size, state.st_mtime_ns) != (item.size, item.mtime_ns)
    return item.size > TRUST_BYTES and not touched


def digest_of(file: BinaryIO, start: int = 0, end: int | None = None) -> str:
    """BLAKE3 hash of bytes `start` to `end` of an open file (None: to its end)."""
    content = blake3()
    _count(content, file, start, end)
    return content.hexdigest()


def count_line(content: blake3, path: Path, at: int, record: Record) -> None:
    """Hash the bytes of a line, which begins at byte `at` of the file."""
    if record.line:
        content.update(record.line)
    else:  # over the limit, so that it was not kept
        with path.open("rb") as file:
            _count(content, file, at, at + record.size)


def _count(content: blake3, file: BinaryIO, start: int, end: int | None) -> None:
    file.seek(start)
    while block := file.read(CHUNK if end is None else min(CHUNK, end - file.tell())):
        content.update(block)


def hashed(found: Found) -> FileRef:
    """A file with its hash: a report, predictions, evidence beside a report."""
    with found.at.open("rb") as file:
        return FileRef(path=found.path, blake3=digest_of(file))


def read_verified(root: Path, ref: FileRef) -> bytes:
    """Content of a report or predictions file. Raises SourceChangedError unless as ingested."""
    try:
        data = (root / ref.path).read_bytes()
    except OSError as error:
        raise SourceChangedError(f"{ref.path}: {error.strerror}") from None
    if blake3(data).hexdigest() != ref.blake3:
        raise SourceChangedError(f"{ref.path}: changed since it was ingested; ingest it again")
    return data


def report_ref(source: SourceFile, evidence: Mapping[str, Sequence[Found]]) -> ReportRef:
    """A grading report, with the evidence in its folder where it is a `report.json`.

    Of a report of one instance that does not name it, the path does.
    """
    file, ruling = hashed(source.found), source.ruling
    instances = ruling.instance_ids if len(ruling.instance_ids) == 1 else ()
    if ruling.flat:
        instances = (instance_of(file.path),)
    beside = evidence.get(dirname(file.path), ()) if basename(file.path) == "report.json" else ()
    logs = tuple(hashed(log) for log in beside)
    return ReportRef(path=file.path, blake3=file.blake3, instance_ids=instances, evidence=logs)


def instance_of(path: str) -> str:
    """The instance that a flat report is of, by its place: the folder of `<id>/report.json`, or the
    file of `<id>.report.json`.
    """
    place = PurePosixPath(path)
    stem = place.name.removesuffix(".json").removesuffix(".report")
    return place.parent.name if stem in ("report", "") else stem
