"""The Dagster instance, without Dagster: its settings, locks of open runs, and runs under way, of
commands and of the UI.

Each run of a command holds a lock while it is open, and removes its file at its end. The kernel
frees the lock when the process dies, so that a file without a holder tells of a killed run.
"""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson
import yaml

from srft_assets.errors import SrftError, UsageError
from srft_assets.files import place, private
from srft_assets.home import CHECKOUT, Home
from srft_assets.processes.locks import exclusive

POSTGRES = b"""
# The history of all machines lies in the database of the platform.
storage:
  postgres:
    postgres_url:
      env: SRFT_DATABASE
"""
RUNS = """
SELECT run_id, pipeline_name, status, run_body, start_time, create_timestamp FROM runs
WHERE status IN ('QUEUED', 'STARTING', 'STARTED', 'CANCELING') ORDER BY id
"""
TAGS = f"SELECT run_id, key, value FROM run_tags WHERE run_id IN (SELECT run_id FROM ({RUNS}) AS o)"
"""Both in SQL that SQLite and PostgreSQL know."""
PLACES = ("dagster/partition", "dagster/asset_partition_range_start")


def prepare_instance(home: Home) -> Path:
    """Make `<home>/dagster_home` with its settings, and return it.

    A `dagster.yaml` that is already there is the user's and stays as it is. Raises UsageError for
    a folder that cannot be written, or whose name Dagster would read as part of a URL.
    """
    if "?" in str(home.root) or unquote(str(home.root)) != str(home.root):
        raise UsageError(
            f"{home.root}: Dagster cannot keep its databases in a folder with ? or %-codes in its "
            "name; choose another SRFT_HOME"
        )
    try:
        private(home.dagster)
        home.dagster.chmod(0o700)  # of a checkout it is there already
    except OSError as error:
        raise UsageError(f"{home.dagster} cannot be made: {error.strerror}") from error
    if not os.access(home.dagster, os.W_OK):
        raise UsageError(f"{home.dagster} cannot be written; choose another SRFT_HOME")
    settings = home.dagster / "dagster.yaml"
    url = home.database_url
    shared = url.startswith("postgresql")
    if shared:
        os.environ["SRFT_DATABASE"] = url  # the name that POSTGRES states
    if not settings.exists():
        place(settings, shipped_settings().read_bytes() + (POSTGRES if shared else b""))
    return home.dagster


def shipped_settings() -> Path:
    """Our `dagster.yaml`: in the checkout, or beside the package when it was installed."""
    checkout = CHECKOUT / "dagster_home" / "dagster.yaml"
    return checkout if checkout.exists() else Path(__file__).parent / "dagster.yaml"


def lock_of_run(home: Home, name: str) -> Path:
    """The lock of an open run of a command."""
    return home.dagster / "open_runs" / f"{name}.lock"


def is_free(lock: Path) -> bool:
    """Whether nobody holds it."""
    with exclusive(lock, wait=False) as free:
        return free


def locks_of_killed(home: Home) -> list[Path]:
    """Locks of runs whose process was killed: Dagster takes these runs for open."""
    return [path for path in lock_of_run(home, "*").parent.glob("*.lock") if is_free(path)]


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that waits or goes on.

    Attributes:
        by: `command`, a schedule or sensor by its name, or `UI`.
        assets: what it makes; empty where the job says so.
        since: when it began or was asked for, UTC.
    """

    run_id: str
    job: str
    by: str
    status: str
    assets: tuple[str, ...]
    partition: str
    since: datetime


def open_runs(home: Home) -> list[OpenRun]:
    """The runs, oldest first; those of killed commands, whose locks are free, are left out.

    An instance whose `dagster.yaml` names a storage that is not ours shows none. Raises SrftError
    where the database cannot be read.
    """
    runs, labels = _asked(home)
    found = []
    for run_id, job, status, body, began, asked in runs:
        tags = {key: value for of, key, value in labels if of == run_id}
        if lock := tags.get("srft/lock"):
            path = lock_of_run(home, lock)
            if not path.exists() or is_free(path):
                continue
        when = datetime.fromisoformat(str(asked)).replace(tzinfo=UTC)
        if began is not None:
            when = datetime.fromtimestamp(began, UTC)
        place = next((tags[name] for name in PLACES if name in tags), "")
        found.append(OpenRun(run_id, job, _by(tags), status.lower(), _assets(body), place, when))
    return found


def _asked(home: Home) -> list[list[tuple[Any, ...]]]:
    """The rows of `RUNS` and of `TAGS`; none where there is no history yet."""
    settings, file = home.dagster / "dagster.yaml", home.dagster / "history" / "runs.db"
    try:
        stated = yaml.safe_load(settings.read_bytes()) if settings.exists() else None
    except yaml.YAMLError as error:
        raise SrftError(f"{settings} is no YAML: srft doctor says more") from error
    if not isinstance(stated, dict | None):
        raise SrftError(f"{settings}: no mapping of settings; srft doctor says more")
    storage = (stated or {}).get("storage")
    if storage == yaml.safe_load(POSTGRES)["storage"]:
        if not home.database_url.startswith("postgresql"):
            raise SrftError(
                f"{settings} names the PostgreSQL of SRFT_DATABASE, which is not set here"
            )
        return _asked_of_postgres(home.database_url)
    if storage is not None or not file.exists():
        return [[], []]
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=10)) as database:
            return [database.execute(query).fetchall() for query in (RUNS, TAGS)]
    except sqlite3.Error as error:
        raise SrftError(f"{file} cannot be read ({error}): srft doctor says more") from error


def _asked_of_postgres(url: str) -> list[list[tuple[Any, ...]]]:
    import sqlalchemy as sa

    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table("runs"):
                return [[], []]
            return [
                [tuple(row) for row in connection.execute(sa.text(query))] for query in (RUNS, TAGS)
            ]
    except sa.exc.DBAPIError as error:
        told = " ".join(str(error.orig).split())[:200]
        raise SrftError(f"{engine.url.render_as_string()}: {told}") from error


def _by(tags: dict[str, str]) -> str:
    if "srft/lock" in tags:
        return "command"
    names = (tags.get(f"dagster/{kind}_name") for kind in ("schedule", "sensor"))
    return next((name for name in names if name), "UI")


def _assets(body: str) -> tuple[str, ...]:
    """The asset keys of a run, as Dagster writes them down."""
    selected = orjson.loads(body).get("asset_selection") or {}
    keys = selected.get("__frozenset__", []) if isinstance(selected, dict) else []
    return tuple(sorted("/".join(key["path"]) for key in keys))
