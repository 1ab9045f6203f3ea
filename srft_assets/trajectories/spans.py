"""Where the rows of a JSON file begin and end, found without parsing or holding the file."""

import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

CHUNK = 1 << 18

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+("|\\?\Z)|[\[\]{},]', re.DOTALL)
_QUOTE = ord('"')
_STRING_REST = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rows:
    """Byte bounds of all rows of a file: row i is `bounds[i]` to `bounds[i + 1] - gap`.

    Eight bytes a row, so that the index of a source with a million rows is small.
    """

    bounds: array
    gap: int

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def span(self, first: int, rows: int) -> tuple[int, int]:
        """Byte range of `rows` consecutive rows."""
        return self.bounds[first], self.bounds[first + rows] - self.gap


def blocks(file: BinaryIO, start: int = 0, end: int | None = None) -> Iterator[memoryview]:
    """Bytes `start` to `end` of a file (None: to its end), a block at a time.

    All blocks lie in one buffer, which the next one overwrites.
    """
    buffer = memoryview(bytearray(CHUNK))
    file.seek(start)
    left = CHUNK if end is None else end - start
    while left > 0 and (count := file.readinto(buffer[:left])):  # type: ignore[attr-defined]
        yield buffer[:count]
        left -= 0 if end is None else count


def index_lines(file: BinaryIO, show: Callable[[memoryview], object] = lambda block: None) -> Rows:
    """Rows of JSON Lines, one a line; a blank line counts, so that row + 1 is the line number.

    A last line without a line break counts as well. `show` is called with all bytes on the way,
    for a hash of them.
    """
    bounds = array("Q", [0])
    at = 0
    for block in blocks(file):
        show(block)
        chunk, size = cast(bytearray, block.obj), len(block)
        here = chunk.find(b"\n", 0, size)
        while here >= 0:
            bounds.append(at + here + 1)
            here = chunk.find(b"\n", here + 1, size)
        at += size
    if bounds[-1] != at:
        bounds.append(at)
    return Rows(bounds, gap=0)


def index_array(file: BinaryIO, size: int) -> Rows:
    """Rows of a JSON array: the text between its commas.

    A truncated array ends with its unfinished row; what follows the closing bracket is a row
    of its own. Both fail when they are parsed, so that nothing is dropped in silence.
    """
    bounds = array("Q")
    last = 0
    for start, end in element_spans(file, 0, size, depth=0):
        bounds.append(start)
        last = end
    if len(bounds) == 1 and _is_blank(file, bounds[0], last) and last < size:
        bounds.pop()
    bounds.append(last + 1)
    return Rows(bounds, gap=1)


def element_spans(file: BinaryIO, start: int, end: int, depth: int) -> Iterator[tuple[int, int]]:
    """Byte spans of the elements of the array that lies in `start` to `end` of a file.

    `depth` is 0 where `start` lies before the opening bracket, 1 where it lies after it.
    Memory does not depend on the size of the file or of an element.
    """
    scan = _Scan(depth, start)
    at = start
    while at < end and not scan.closed:
        file.seek(at)
        chunk = file.read(min(CHUNK, end - at))
        if not chunk:
            break
        yield from scan.feed(chunk, at)
        at += len(chunk)
    if not scan.closed or not _is_blank(file, scan.begin, end):
        yield scan.begin, end


def _is_blank(file: BinaryIO, start: int, end: int) -> bool:
    while start < end:
        file.seek(start)
        chunk = file.read(min(CHUNK, end - start))
        if not chunk:
            break
        if chunk.strip():
            return False
        start += len(chunk)
    return True


class _Scan:
    """State between two chunks: how deep we are, and whether we are inside a string."""

    def __init__(self, depth: int, begin: int) -> None:
        self.depth = depth
        self.begin = begin
        self.closed = False
        self.in_string = False
        self.escaped = False

    def feed(self, chunk: bytes, at: int) -> Iterator[tuple[int, int]]:
        """Spans of the elements that end within the chunk, which begins at byte `at`."""
        pos = self._leave_string(chunk) if self.in_string else 0
        for token in _TOKEN.finditer(chunk, pos):
            first = chunk[token.start()]
            if first == _QUOTE:
                self.in_string = token.group(1) != b'"'
                self.escaped = token.group(1) == b"\\"
            elif first in b"[{":
                self.depth += 1
                if self.depth == 1:
                    self.begin = at + token.end()
            elif self.depth == 1:
                yield self.begin, at + token.start()
                self.begin = at + token.end()
                if first in b"]}":
                    self.closed = True
                    return
            elif first in b"]}":
                self.depth -= 1

    def _leave_string(self, chunk: bytes) -> int:
        """Where the string that began in an earlier chunk ends; the chunk's end if it does not."""
        rest = _STRING_REST.match(chunk, 1 if self.escaped else 0)
        assert rest is not None
        end = rest.end()
        self.escaped = end < len(chunk) and chunk[end] != _QUOTE
        self.in_string = end == len(chunk) or self.escaped
        return len(chunk) if self.in_string else end + 1
