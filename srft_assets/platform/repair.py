"""What is damaged in a platform, by its heads or by reading all of it; `repair` moves it aside.

What can be made again is then missing, and made by the next command. Of what cannot, the database,
the last sound copy takes its place, and the answers of `critic_calls` are added to it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl
import yaml

from srft_assets.critic.calls import calls_folder, write_calls
from srft_assets.critic.old_ledger import take_back
from srft_assets.database.backup import put_aside, put_back, unsound
from srft_assets.database.store import database_file, database_of
from srft_assets.errors import SrftError
from srft_assets.files import move, private
from srft_assets.home import Home
from srft_assets.processes.locks import exclusive, partition_turn
from srft_assets.trajectories.batches import batch_names
from srft_assets.warehouse.catalogue import SCHEMA_FILE
from srft_assets.warehouse.partitions import UNREADABLE, Warehouse, data_version, stamp_in
from srft_assets.warehouse.stage import Stage

DAGSTER = ("history", "schedules")
"""Folders of the Dagster instance that hold its databases."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that cannot be read, or is not what was written.

    Attributes:
        path: the file, or the folder that is moved aside as one.
        why: what is wrong with it.
        repair: moves it aside, and says what becomes of it.
    """

    path: Path
    why: str
    repair: Callable[[], str]


def damaged(home: Home, stages: Mapping[str, Stage], deep: bool) -> Iterator[Damage]:
    """What is damaged; nothing is changed.

    `deep` reads all rows and databases, and hashes the rows as they were then. Else only the heads
    of databases and the ends of partitions, which say what they were made from, are read.
    """
    yield from _database(home, deep)
    yield from _dagster(home, deep)
    yield from _partitions(home, stages, deep)


def _database(home: Home, deep: bool) -> Iterator[Damage]:
    file = database_file(home)
    if file and file.exists() and (why := unsound(file, deep)):
        yield Damage(file, why, partial(_restored, home, file))


def _restored(home: Home, file: Path) -> str:
    with exclusive(Path(f"{file}-locks", "upgrade.lock")):
        copy = put_back(file, _aside(home, file))
    answers = take_back(home, database_of(home))
    told = f"the copy {copy.name} is in its place" if copy else "there was no copy; it is new"
    told += f", with {answers} more answers of critic_calls"
    lost = sorted(set(Warehouse(home.warehouse).partitions("trajectories")) - {*batch_names(home)})
    if lost:
        told += f"; ingest again what it does not know: {', '.join(lost)}"
    return told if copy else f"{told}; import gold labels again"


def _dagster(home: Home, deep: bool) -> Iterator[Damage]:
    settings = home.dagster / "dagster.yaml"
    if settings.exists() and (why := _no_settings(settings)):
        told = "the next command puts ours in its place"
        yield Damage(settings, why, partial(_moved, home, settings, told))
    for folder in (home.dagster / name for name in DAGSTER):
        for file in sorted(folder.rglob("*.db")):
            why = unsound(file, deep)
            if why and file.parent.name == "runs" and file.stem != "index":
                yield Damage(file, why, partial(_log_moved, home, file))
            elif why:
                told = "Dagster's history is made new; what is in sync stays so"
                why = f"{file.relative_to(folder)}: {why}"
                yield Damage(folder, why, partial(_moved, home, folder, told))
                break


def _log_moved(home: Home, file: Path) -> str:
    put_aside(file, _aside(home, file))
    return "the events of that run are not shown any more"


def _no_settings(path: Path) -> str:
    try:
        stated = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return f"no YAML: {' '.join(str(error).split())[:200]}"
    return "" if stated is None or isinstance(stated, dict) else "no mapping of settings"


def _partitions(home: Home, stages: Mapping[str, Stage], deep: bool) -> Iterator[Damage]:
    of = {key: stage for stage in stages.values() for key in (stage.key, *stage.beside)}
    found = [
        *home.warehouse.glob(f"*/{SCHEMA_FILE}"),
        *home.warehouse.glob("[!_.]*/**/[!_.]*.parquet"),
    ]
    for path in sorted(found):
        asset = path.parent.relative_to(home.warehouse).as_posix()
        if why := _differs(path, of.get(asset), deep):
            if path.is_relative_to(calls_folder(home)):
                yield Damage(path, why, partial(_calls_again, home, path))
            else:
                yield Damage(path, why, partial(_unmade, home, path, asset, of.get(asset)))


def _unmade(home: Home, path: Path, asset: str, stage: Stage | None) -> str:
    """In its turn, and looked at again: whoever makes the partition may have mended it."""
    with partition_turn(home, asset, path.stem, tell=lambda _: None):
        if not _differs(path, stage, deep=True):
            return "nothing: it was made again meanwhile"
        return _moved(home, path, "srft apply makes it again")


def _differs(path: Path, stage: Stage | None, deep: bool) -> str:
    """Why a partition is not what was written.

    Through one handle: another process may rename a new partition over it in between.
    """
    try:
        with path.open("rb") as file:
            rows = pl.read_parquet(file) if deep else None
            file.seek(0)
            stamp = None if stage is None and deep else stamp_in(file)
    except FileNotFoundError:
        return ""
    except UNREADABLE as error:
        return " ".join(str(error).split())[:200]
    if stage is None or path.name == SCHEMA_FILE:
        return ""
    if stamp is None:
        return "it does not say what it was made from"
    same_code = dict(stamp.recipe.code) == dict(stage.code)
    if rows is not None and same_code and data_version(rows, stage.volatile) != stamp.data_version:
        return "its rows are not those that were written"
    return ""


def _calls_again(home: Home, path: Path) -> str:
    _moved(home, path, "")
    write_calls(home, path.parent.name, path.stem)
    return "written again from the ledger"


def _moved(home: Home, path: Path, told: str) -> str:
    aside = _aside(home, path)
    private(aside.parent)
    try:
        move(path, aside)
    except OSError as error:
        raise SrftError(f"{path} cannot be moved to {aside}: {error.strerror}") from error
    return told


def _aside(home: Home, path: Path) -> Path:
    """`<home>/damaged/…`, where what is damaged is kept."""
    inside = path.is_relative_to(home.root)
    return home.root / "damaged" / (path.relative_to(home.root) if inside else path.name)
