"""The DuckDB catalogue: views over the Parquet partitions, nothing else.

Two files hold the same views. `warehouse.duckdb` is for people, whose sessions open it for
writing. `_catalogue/<digest>.duckdb` is never opened for writing once it is in place, so that
the platform's own read-only questions wait for nobody.
"""

import filecmp
import hashlib
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Any

import duckdb
import orjson
import polars as pl

from srft_assets.files import place
from srft_assets.home import Home
from srft_assets.warehouse.sql import (
    SqlFile,
    connect,
    glob_of,
    schema_literal,
    sql_files,
    text_literal,
)

Schemas = Mapping[str, pl.Schema]
"""Row schema by table: the first part of the asset key."""

SOURCES = ("templates", "macros", "tables", "views")
"""Folders whose files make the catalogue."""
SCHEMA_FILE = "_schema.parquet"
"""Name of the zero-row file in each table's folder, so that every table exists before its asset
was ever materialized; never a partition name."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Where the catalogue of a platform lies."""

    home: Home

    @property
    def folder(self) -> Path:
        """The platform's own files; no asset begins with an underscore."""
        return self.home.warehouse / "_catalogue"

    @property
    def pointer(self) -> Path:
        """JSON: digest of the catalogue in force where the home is mounted so: views name its
        folder, which may have another name on another machine."""
        mount = hashlib.sha256(str(self.home.warehouse).encode()).hexdigest()[:8]
        return self.folder / f"current-{mount}.json"

    def views(self, digest: str) -> Path:
        """The DuckDB file of one digest, opened read-only."""
        return self.folder / f"{digest}.duckdb"

    def digest(self) -> str | None:
        """Digest of the catalogue in force; None before the first was built."""
        return _named_by(self.pointer)


def _named_by(pointer: Path) -> str | None:
    with suppress(FileNotFoundError, orjson.JSONDecodeError):
        return str(orjson.loads(pointer.read_bytes())["digest"])
    return None


def build_catalogue(home: Home, schemas: Schemas) -> bool:
    """Bring the catalogue up to date; whether it had to be built.

    It is built anew exactly where the SQL, the schemas, the warehouse's folder or DuckDB's
    version differ from what it was built from. Running sessions keep the file they opened.
    """
    catalogue = Catalogue(home)
    files = sql_files(*SOURCES)
    digest = _digest(home, files, schemas)
    current = catalogue.digest() == digest and catalogue.views(digest).exists()
    write_schema_files(home, schemas, anew=not current)
    if not current:
        place(catalogue.views(digest), _built(home, files, schemas))
        place(catalogue.pointer, orjson.dumps({"digest": digest}))
        named = {_named_by(pointer) for pointer in catalogue.folder.glob("current-*.json")}
        for old in catalogue.folder.glob("*.duckdb"):
            if old.stem not in named:
                old.unlink(missing_ok=True)
    _install(home.catalogue, catalogue.views(digest), catalogue.folder / "installed.copy")
    return not current


def _built(home: Home, files: Sequence[SqlFile], schemas: Schemas) -> bytes:
    """The database. It is built elsewhere: DuckDB keeps its log beside the file, by name."""
    columns = tuple((table, tuple(schema.items())) for table, schema in sorted(schemas.items()))
    with tempfile.TemporaryDirectory(prefix="srft-") as folder, connect() as connection:
        path = Path(folder, "views.duckdb")
        path.write_bytes(_of_no_home(tuple(files), columns))
        with _attached(connection, path) as name:
            connection.execute(f"COPY FROM DATABASE {name} TO memory (SCHEMA)")
        path.unlink()
        for text in _filled_templates(connection, home, files, schemas):
            connection.execute(text)
        return _written(connection, path)


@lru_cache(maxsize=2)
def _of_no_home(files: Sequence[SqlFile], columns: Sequence[tuple[str, Any]]) -> bytes:
    """The database with all views, whose folders are still to be named.

    DuckDB binds a view when it is made, which takes most of a second for all; into the macros that
    name the folders it looks when a view is read.
    """
    with tempfile.TemporaryDirectory(prefix="srft-") as folder, connect() as connection:
        home, schemas = Home(Path(folder)), {table: pl.Schema(types) for table, types in columns}
        write_schema_files(home, schemas, anew=True)
        create_views(connection, home, files, schemas)
        return _written(connection, Path(folder, "views.duckdb"))


def _written(connection: duckdb.DuckDBPyConnection, path: Path) -> bytes:
    """A file that holds what the connection has in memory."""
    with _attached(connection, path) as name:
        connection.execute(f"COPY FROM DATABASE memory TO {name} (SCHEMA)")
    return path.read_bytes()


@contextmanager
def _attached(connection: duckdb.DuckDBPyConnection, path: Path) -> Iterator[str]:
    """The name of the file's database within the connection."""
    connection.execute(f"ATTACH {text_literal(str(path))} AS views")
    yield "views"
    connection.execute("DETACH views")


def _digest(home: Home, files: Sequence[SqlFile], schemas: Schemas) -> str:
    parts = [
        duckdb.__version__,
        str(home.warehouse),
        *(f"{file.kind}/{file.name}\n{file.text}" for file in files),
        *(f"{table} {list(schema.items())!r}" for table, schema in sorted(schemas.items())),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _install(file: Path, views: Path, kept: Path) -> None:
    """Put the views in place for people; `kept`: a copy of what was installed last.

    Nothing happens where they are in place already. While DuckDB's write-ahead log lies beside the
    file, a session has unsaved changes in it, and DuckDB refuses the log beside another file: the
    file then stays as it is until the next time. A file that people changed is kept as
    `warehouse.previous.duckdb`.
    """
    with suppress(FileNotFoundError):
        if file.exists() and filecmp.cmp(kept, views, shallow=False):
            return
    if file.with_name(f"{file.name}.wal").exists():
        return
    with suppress(FileNotFoundError):
        if not filecmp.cmp(file, kept, shallow=False):
            file.rename(file.with_name(f"{file.stem}.previous.duckdb"))
    content = views.read_bytes()
    for target in (file, kept):
        place(target, content)


def write_schema_files(home: Home, schemas: Schemas, *, anew: bool) -> None:
    """Put `<warehouse>/<table>/_schema.parquet` in place where absent, or everywhere if `anew`."""
    for table, schema in schemas.items():
        target = home.warehouse / table / SCHEMA_FILE
        if anew or not target.exists():
            buffer = io.BytesIO()
            schema.to_frame().write_parquet(buffer)
            place(target, buffer.getvalue())


def duckdb_types(connection: duckdb.DuckDBPyConnection, schema: pl.Schema) -> dict[str, str]:
    """Column names and DuckDB types of a polars schema, in order."""
    table = pl.DataFrame(schema=schema).to_arrow()
    described = connection.from_arrow(table)
    return dict(zip(described.columns, map(str, described.types), strict=True))


def create_views(
    connection: duckdb.DuckDBPyConnection, home: Home, files: Sequence[SqlFile], schemas: Schemas
) -> None:
    """Create everything in a database in memory.

    Folders and types reach SQL as escaped literals, in `sql/templates`
    only; all other files are plain SQL. A view may read any other, whatever its file's name:
    an order that suits is found by trying. Raises duckdb.Error for wrong SQL,
    duckdb.CatalogException where no file is left that could be executed.
    """
    for text in _filled_templates(connection, home, files, schemas):
        connection.execute(text)
    waiting = [file.text for file in files if file.kind != "templates"]
    while waiting:
        left: list[str] = []
        failure: duckdb.CatalogException | None = None
        for text in waiting:
            try:
                connection.execute(text)
            except duckdb.CatalogException as error:
                left.append(text)
                failure = failure or error
        if failure is not None and len(left) == len(waiting):
            raise failure
        waiting = left


def _filled_templates(
    connection: duckdb.DuckDBPyConnection, home: Home, files: Sequence[SqlFile], schemas: Schemas
) -> Iterator[str]:
    templates = {file.name: Template(file.text) for file in files if file.kind == "templates"}
    yield templates["warehouse"].substitute(
        root=text_literal(str(home.warehouse)), root_glob=text_literal(glob_of(home.warehouse))
    )
    for table, schema in schemas.items():
        types = duckdb_types(connection, schema)
        yield templates["stored"].substitute(_stored(home.warehouse, table, types))


def _stored(root: Path, table: str, types: Mapping[str, str]) -> dict[str, str]:
    """What the template `stored` needs for one table."""
    folder = glob_of(root / table)
    patterns = (f"{folder}/{SCHEMA_FILE}", f"{folder}/**/*.parquet")
    return {
        "macro": f"stored_{table}",
        "pattern": f"[{', '.join(map(text_literal, patterns))}]",
        "columns": schema_literal(types),
        "comment": text_literal(f"Rows of all partitions of {table}, as their files hold them."),
    }
