"""The DuckDB catalogue: views over the Parquet partitions, nothing else.

Two files hold the same views. `warehouse.duckdb` is for people, whose sessions open it for
writing. `_catalogue/<digest>.duckdb` is never opened for writing once it is in place, so that
the platform's own read-only questions wait for nobody.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
import orjson

from srft_assets.home import Home
from srft_assets.warehouse.connection import connect
from srft_assets.warehouse.empty import write_schema_files
from srft_assets.warehouse.installed import Installed, install
from srft_assets.warehouse.placing import place
from srft_assets.warehouse.statements import SqlFile, sql_files
from srft_assets.warehouse.views import SOURCES, Schemas, create_views


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
        """JSON: digest of the catalogue in force."""
        return self.folder / "current.json"

    def views(self, digest: str) -> Path:
        """The DuckDB file of one digest, opened read-only."""
        return self.folder / f"{digest}.duckdb"

    def digest(self) -> str | None:
        """Digest of the catalogue in force; None before the first was built."""
        with suppress(FileNotFoundError, orjson.JSONDecodeError):
            return orjson.loads(self.pointer.read_bytes())["digest"]
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
        for old in catalogue.folder.glob("*.duckdb"):
            if old != catalogue.views(digest):
                old.unlink(missing_ok=True)
    install(Installed(home.catalogue, catalogue.folder), catalogue.views(digest))
    return not current


def _built(home: Home, files: Sequence[SqlFile], schemas: Schemas) -> bytes:
    """The database. It is built elsewhere: DuckDB keeps its log beside the file, by name."""
    with tempfile.TemporaryDirectory(prefix="srft-") as folder:
        path = Path(folder, "views.duckdb")
        with connect(path) as connection:
            create_views(connection, home, files, schemas)
        return path.read_bytes()


def _digest(home: Home, files: Sequence[SqlFile], schemas: Schemas) -> str:
    parts = [
        duckdb.__version__,
        str(home.warehouse),
        *(f"{file.kind}/{file.name}\n{file.text}" for file in files),
        *(f"{table} {list(schema.items())!r}" for table, schema in sorted(schemas.items())),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
