"""Connections that read the warehouse and can do nothing else."""

import threading

import duckdb

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.warehouse.catalogue import Catalogue
from srft_assets.warehouse.connection import Config, connect
from srft_assets.warehouse.literal import glob_of, text_literal

CONFIG: Config = {
    "python_enable_replacements": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "enable_external_file_cache": False,
}
_OPENING = threading.Lock()
"""DuckDB gives one process one database a file: its locking must not be seen half done."""


def open_readonly(home: Home) -> duckdb.DuckDBPyConnection:
    """A connection that reads the warehouse and can do nothing else.

    It cannot write, attach, install, load, see variables of this process, or read files
    outside this folder, and its configuration is locked. COPY into them is what DuckDB
    itself still allows: `check_statement` and `check_plan` refuse it. Raises SrftError where
    there is no catalogue.
    """
    catalogue = Catalogue(home)
    digest = catalogue.digest()
    if digest is None:
        raise SrftError(f"no warehouse in {home.root}: run `srft ingest PATH` or `make demo`")
    with _OPENING:
        connection = connect(catalogue.views(digest), read_only=True, config=CONFIG)
        if not _locked(connection):
            allowed = ", ".join(map(text_literal, _folders(home)))
            connection.execute(f"SET allowed_directories = [{allowed}]")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
    return connection


def _folders(home: Home) -> list[str]:
    """What may be read: the folder as it is named, and as the pattern that matches only it."""
    return [str(home.warehouse), glob_of(home.warehouse)]


def _locked(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether another connection of this process has locked the database that both share."""
    found = connection.execute("SELECT current_setting('lock_configuration')").fetchall()
    return bool(found[0][0])
