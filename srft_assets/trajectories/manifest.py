"""What a batch is made from: `<home.batches>/<batch>.json`, written whole or not at all."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from srft_assets.errors import SrftError, first_problem
from srft_assets.home import Home
from srft_assets.refusal import Refusal
from srft_assets.warehouse.placing import place
from srft_assets.warehouse.store import check_partition_name

Layout = Literal["object", "lines", "array", "parquet", "arrow"]
"""How a file holds its records.

`object`: the whole file is one run; `lines`: JSON Lines; `array`: a JSON array of rows;
`parquet` and `arrow` (stream, or IPC file): tables.
"""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class FileRef(_Frozen):
    """A file below `Manifest.root`, with the BLAKE3 hash of its content."""

    path: str
    blake3: str


class Item(_Frozen):
    """Consecutive rows of one file. `blake3` covers bytes `start` to `end`.

    Rows of a table (`parquet`, `arrow`) have no byte range: there it covers the whole file.
    `bytes` is what the rows take, for tables on average.
    """

    path: str
    layout: Layout
    first_row: int = 0
    rows: int = 1
    start: int = 0
    end: int = 0
    bytes: int
    blake3: str
    size: int
    mtime_ns: int
    ctime_ns: int

    @property
    def label(self) -> str:
        """The path, with its rows where the file holds several."""
        if self.layout == "object":
            return self.path
        return f"{self.path} rows {self.first_row}-{self.first_row + self.rows - 1}"


class ReportRef(FileRef):
    """A grading report. `instance_ids` is empty where it speaks of many instances.

    `evidence`: what the grader left beside it (test_output.txt, run_instance.log, …).
    """

    instance_ids: tuple[str, ...] = ()
    evidence: tuple[FileRef, ...] = ()


class RefusedFile(_Frozen):
    """A file that ingest refused; the quarantine of the batch's partition repeats it."""

    path: str
    reason: str
    row: int | None = None
    excerpt: str = ""

    def refusal(self) -> Refusal:
        """As the warehouse keeps it."""
        return Refusal(self.path, self.reason, row=self.row, excerpt=self.excerpt)


class Manifest(_Frozen):
    """One batch.

    `kind` is `files`, or the name of a collector that makes the runs from `settings`.
    `family`: the name given at ingest; its batches are NAME, or NAME-000, NAME-001, …
    `registered` orders all batches of a platform by first registration.
    """

    version: Literal[1] = 1
    batch: str
    kind: str = "files"
    family: str
    registered: int
    root: str | None = None
    format: str | None = None
    items: tuple[Item, ...] = ()
    reports: tuple[ReportRef, ...] = ()
    predictions: tuple[FileRef, ...] = ()
    refused: tuple[RefusedFile, ...] = ()
    settings: dict[str, Any] = Field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Records the batch holds before any is refused."""
        return sum(item.rows for item in self.items)

    def folder(self) -> Path:
        """The ingested root. Raises SrftError for a batch that was not made from files."""
        if self.root is None:
            raise SrftError(f"batch {self.batch} is of kind {self.kind}: it has no source folder")
        return Path(self.root)

    def to_bytes(self) -> bytes:
        """The file's content: the same manifest gives the same bytes."""
        return orjson.dumps(self.model_dump(), option=orjson.OPT_INDENT_2) + b"\n"


def manifest_path(home: Home, batch: str) -> Path:
    """`<home.batches>/<batch>.json`; raises UsageError for an unsafe name."""
    return home.batches / f"{check_partition_name(batch)}.json"


def registered_ns(home: Home, batch: str) -> int:
    """When the manifest was written, in nanoseconds of the file system's clock."""
    return manifest_path(home, batch).stat().st_mtime_ns


def read_manifest(home: Home, batch: str) -> Manifest:
    """The manifest of a batch. Raises SrftError where it is absent or damaged."""
    path = manifest_path(home, batch)
    try:
        state = path.stat()
    except FileNotFoundError:
        raise SrftError(f"no batch {batch!r}: register it with `srft ingest`") from None
    return _parsed(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4096)
def _parsed(path: Path, mtime_ns: int, size: int) -> Manifest:
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        said = first_problem(error)
        raise SrftError(f"{path}: damaged manifest ({said}); remove it and ingest again") from None


def write_manifest(home: Home, manifest: Manifest) -> bool:
    """Put the manifest in place; False where these very bytes are there already."""
    target = manifest_path(home, manifest.batch)
    content = manifest.to_bytes()
    if target.exists() and target.read_bytes() == content:
        return False
    place(target, content)
    return True
