"""Runs under way, of commands and of the UI, read from Dagster's own database without Dagster."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.instance import is_free, lock_of_run

OPEN = ("QUEUED", "STARTING", "STARTED", "CANCELING")
PLACES = ("dagster/partition", "dagster/asset_partition_range_start")


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

    An instance whose `dagster.yaml` names another storage shows none. Raises SrftError where the
    database cannot be read.
    """
    file = home.dagster / "history" / "runs.db"
    if not file.exists():
        return []
    marks = ", ".join("?" * len(OPEN))
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=10)) as database:
            rows = database.execute(
                "SELECT run_id, pipeline_name, status, run_body, coalesce(start_time, "
                f"unixepoch(create_timestamp)) FROM runs WHERE status IN ({marks}) ORDER BY id",
                OPEN,
            ).fetchall()
            tagged = {
                run_id: dict(
                    database.execute("SELECT key, value FROM run_tags WHERE run_id = ?", [run_id])
                )
                for run_id, *_ in rows
            }
    except sqlite3.Error as error:
        raise SrftError(f"{file} cannot be read ({error}): srft doctor says more") from error
    found = []
    for run_id, job, status, body, since in rows:
        tags = tagged[run_id]
        if lock := tags.get("srft/lock"):
            path = lock_of_run(home, lock)
            if not path.exists() or is_free(path):
                continue
        when = datetime.fromtimestamp(since or 0, UTC)
        place = next((tags[name] for name in PLACES if name in tags), "")
        found.append(OpenRun(run_id, job, _by(tags), status.lower(), _assets(body), place, when))
    return found


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
