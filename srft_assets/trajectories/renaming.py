"""A batch under another name: its partitions, and the name in what was made from them.

What is to be renamed is first written down. From then on whoever looks at the batches finishes it
before anything else, so that a kill leaves the old name or, at the next look, the new one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import orjson
import polars as pl

from srft_assets.files import place
from srft_assets.home import Home
from srft_assets.processes.locks import exclusive
from srft_assets.warehouse.making import FINGERPRINT_CHARS
from srft_assets.warehouse.partitions import (
    UNREADABLE,
    DamagedError,
    Stamp,
    Warehouse,
    read_stamp,
)
from srft_assets.warehouse.recipe import Recipe

OF_BATCH = ("trajectories", "test_outcomes", "integrity", "step_verdicts", "masked_tokens")
"""Assets that have a partition a batch, or whose critics and arms have."""
CALLS, VERSIONS = "critic_calls", "verdict_versions"


def journal(home: Home) -> Path:
    """Where it stands while it is not finished."""
    return home.warehouse / "_renaming.json"


def rename(home: Home, old: str, new: str) -> None:
    """Rename a batch that is there to a name that is free. Hold `registering` meanwhile.

    Raises DamagedError, before anything is renamed, where a partition of it cannot be read.
    """
    for path in _files(home):
        if _place(home.warehouse, path, old, new) is None:
            continue
        try:
            pl.read_parquet(path)
        except UNREADABLE:
            advice = "srft doctor --repair moves it aside, then rename the batch again"
            raise DamagedError(f"{path} is damaged: {advice}") from None
    place(journal(home), orjson.dumps({"old": old, "new": new}))
    finish(home)


def finish(home: Home) -> None:
    """Do what was written down, and is not done yet."""
    from srft_assets.database.store import database_of

    with exclusive(database_of(home).locks / "rename.lock"):
        if not journal(home).exists():
            return
        stated = orjson.loads(journal(home).read_bytes())
        old, new = stated["old"], stated["new"]
        for path in _files(home):
            _rename_file(Warehouse(home.warehouse), path, old, new)
        _rename_rows(home, old, new)
        journal(home).unlink()


def _files(home: Home) -> list[Path]:
    return sorted(home.warehouse.glob("[!_.]*/**/[!_.]*.parquet"))


def _place(root: Path, path: Path, old: str, new: str) -> tuple[str, str, Stamp | None] | None:
    """The asset, the name and the stamp that a partition gets; None where all stays."""
    kind, *between = path.relative_to(root).parts[:-1]
    name = new if kind in (*OF_BATCH, CALLS) and path.stem == old else path.stem
    if kind == VERSIONS and between[-1] == old:
        between[-1] = new
    elif name == path.stem and kind in (*OF_BATCH, CALLS, VERSIONS):
        return None
    stamp = read_stamp(path)
    renamed = stamp and _renamed(stamp, old, new)
    if kind == VERSIONS and renamed:
        name = renamed.fingerprint[:FINGERPRINT_CHARS]
    asset = "/".join((kind, *between))
    stays = Warehouse(root).path(asset, name) == path and renamed == stamp
    return None if stays else (asset, name, renamed)


def _rename_file(warehouse: Warehouse, path: Path, old: str, new: str) -> None:
    """Write a partition of the batch to its new place, or one made from it to its own."""
    placed = _place(warehouse.root, path, old, new)
    if placed is None:
        return
    asset, name, renamed = placed
    target = warehouse.path(asset, name)
    if renamed is not None:
        warehouse.write(asset, name, pl.read_parquet(path), renamed)
    else:
        frame = pl.read_parquet(path)
        if "batch" in frame.columns:
            frame = frame.with_columns(pl.col("batch").replace(old, new))
        _write_unstamped(frame, target)
    if target != path:
        path.unlink()
        if asset.startswith(f"{VERSIONS}/") and not any(path.parent.iterdir()):
            path.parent.rmdir()


def _write_unstamped(frame: pl.DataFrame, target: Path) -> None:
    from io import BytesIO

    buffer = BytesIO()
    frame.write_parquet(buffer)
    place(target, buffer.getvalue())


def _renamed(stamp: Stamp, old: str, new: str) -> Stamp:
    """The stamp, with the new name wherever it names a partition of the batch."""
    inputs = dict(_inputs(stamp.recipe.inputs, old, new))
    if inputs == stamp.recipe.inputs:
        return stamp
    recipe = Recipe(stamp.recipe.code, stamp.recipe.config, inputs)
    of_runs = {f"{kind}/{old}": f"{kind}/{new}" for kind in OF_BATCH}
    refused = tuple(
        replace(one, source=of_runs.get(one.source, one.source)) for one in stamp.refused
    )
    return replace(stamp, recipe=recipe, fingerprint=recipe.fingerprint, refused=refused)


def _inputs(inputs: Mapping[str, str], old: str, new: str) -> Iterator[tuple[str, str]]:
    for key, version in inputs.items():
        asset, _, name = key.rpartition("/")
        of_batch = asset.partition("/")[0] in OF_BATCH and name == old
        yield (f"{asset}/{new}" if of_batch else key), version


def _rename_rows(home: Home, old: str, new: str) -> None:
    """In the database: what the batch is made from, and whose answers were paid for."""
    import sqlalchemy as sa

    from srft_assets.database.store import ANSWERS, BATCHES, JOBS, answer_digest, database_of

    here = BATCHES.c.name == old
    with database_of(home).write() as connection:
        stored = connection.scalar(sa.select(BATCHES.c.manifest).where(here))
        if stored is not None:
            manifest = orjson.dumps(orjson.loads(stored) | {"batch": new, "family": new}).decode()
            row = {"name": new, "manifest": manifest}
            connection.execute(sa.update(BATCHES).where(here).values(row))
        connection.execute(sa.update(JOBS).where(JOBS.c.batch == old).values(batch=new))
        paid = connection.execute(sa.select(ANSWERS).where(ANSWERS.c.batch == old)).all()
        for answer in (one._asdict() for one in paid):
            renamed = {"batch": new}
            if answer["digest"] == answer_digest(answer):
                renamed["digest"] = answer_digest(answer | renamed)
            of_it = ANSWERS.c.key == answer["key"]
            connection.execute(sa.update(ANSWERS).where(of_it).values(renamed))
