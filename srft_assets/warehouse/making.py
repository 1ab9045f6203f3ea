"""Making one partition: recipe first, rows after, both in one file."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srft_assets.errors import SrftError
from srft_assets.files import replacing
from srft_assets.home import Home
from srft_assets.text import some
from srft_assets.warehouse.partitions import (
    ONLY,
    InputChangedError,
    Stamp,
    Warehouse,
    read_stamp,
)
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stage import IDLE, Made, Stage, Upstream, Work, no_launch

ATTEMPTS = 3
NEVER_MADE = "which was never made"
"""What is said of an input that is missing."""


class MissingInputError(SrftError):
    """An upstream partition was never made."""


def recipe_of(stage: Stage, home: Home, warehouse: Warehouse, partition: str) -> Recipe:
    """What the partition would be made from now.

    Raises MissingInputError where an upstream partition does not exist.
    """
    config = dict(stage.config)
    if stage.config_of is not None:
        config |= stage.config_of(home, partition)
    inputs = {
        f"{edge.asset}/{name}": _version(warehouse, edge.asset, name, stage.key)
        for edge in stage.upstream
        if edge.decides
        for name in _input_names(edge, home, warehouse, partition)
    }
    return Recipe(code=dict(stage.code), config=config, inputs=inputs)


def _input_names(edge: Upstream, home: Home, warehouse: Warehouse, partition: str) -> Iterator[str]:
    if edge.mapping == "same":
        yield partition
    elif edge.mapping == "whole":
        yield ONLY
    else:
        there = warehouse.partitions(edge.asset)
        names = edge.taken(home, there, partition)
        if not names and not edge.optional:
            raise MissingInputError(_none_fits(edge, there))
        yield from names


def _none_fits(edge: Upstream, there: Sequence[str]) -> str:
    only = ", ".join(edge.only)
    if not there or not edge.setting:
        told = f"{edge.asset} has no partition that matches {only}"
        return f"{told}: make it first (srft apply {edge.asset})"
    return f"{edge.setting} is {only}, which none of the batches there are fits: {some(there)}"


def _version(warehouse: Warehouse, asset: str, partition: str, wanted_by: str) -> str:
    stamp = warehouse.stamp(asset, partition)
    if stamp is None:
        raise MissingInputError(
            f"{wanted_by} needs {asset}/{partition}, {NEVER_MADE} or is damaged: srft apply {asset}"
        )
    return stamp.data_version


def make_current(
    stage: Stage, home: Home, partition: str, work_on: Callable[[Recipe], Work]
) -> tuple[Made, Stamp]:
    """Make a partition from its inputs and settings of now, which its stamp will name.

    Where one of them changes while it is being made, it is made again, `ATTEMPTS` times in all.
    Raises InputChangedError where they change faster than that, and as `make_partition`.
    """
    for attempt in range(1, ATTEMPTS + 1):
        work = work_on(recipe_of(stage, home, Warehouse(home.warehouse), partition))
        try:
            return make_partition(stage, work)
        except InputChangedError as error:
            if attempt == ATTEMPTS:
                raise
            work.log.warning(f"{error}: made again")
    raise AssertionError("unreachable")


def make_partition(stage: Stage, work: Work) -> tuple[Made, Stamp]:
    """Make and write one partition; returns what was made and its stamp.

    The rows must have exactly the stage's schema (ValueError otherwise). Where the stage keeps
    earlier versions, what is replaced stays there, and so does what replaces it. Raises
    InputChangedError where a setting of the partition is another one by the time it is made,
    LateError where a later turn of making it has begun.
    """
    made = stage.make(work)
    if made.frame.schema != stage.schema:
        raise ValueError(f"{stage.key}: rows have schema {made.frame.schema}, not {stage.schema}")
    now = stage.config_of(work.home, work.partition) if stage.config_of is not None else {}
    for name, value in now.items():
        if work.recipe.config.get(name) != value:
            raise InputChangedError(f"{stage.key}/{work.partition}: {name} changed meanwhile")
    history = History(work.home, stage.key, stage.kept, work.partition) if stage.kept else None
    if history:
        history.keep()
    figures = {k: v for k, v in made.metadata.items() if isinstance(v, int | float)}
    told = {"refused": tuple(made.refused), "figures": figures}
    with ThreadPoolExecutor(1) as beside:  # the rows are hashed while they are written
        stamp = beside.submit(work.stamp, made.frame, stage.volatile, **told)
        work.warehouse.write(stage.key, work.partition, made.frame, stamp, work.turn)
    if history:
        history.keep()
    return made, stamp.result()


def work_alone(
    stage: Stage,
    home: Home,
    partition: str = ONLY,
    *,
    run_id: str = "",
    **settings: Any,
) -> Work:
    """What `stage.make` is handed where no Dagster runs it: a notebook, a benchmark, a test.

    Nobody watches and nothing is started, unless `settings` (fields of `Work`) say otherwise.
    Raises MissingInputError where an upstream partition does not exist.
    """
    seen, log = Warehouse(home.warehouse), logging.getLogger(__name__)
    quiet: dict[str, Any] = {"progress": IDLE, "launch": no_launch, "log": log}
    recipe = recipe_of(stage, home, seen, partition)
    return Work(home, seen, partition, recipe, run_id, **{**quiet, **settings})


FINGERPRINT_CHARS = 16


@dataclass(frozen=True, slots=True)
class History:
    """The versions of one partition, below `<warehouse>/<kept>/<name of the asset>/<partition>`.

    Attributes:
        asset: key, such as `step_verdicts/default`.
        kept: folder of the warehouse in which versions stay; `Stage.kept`.
    """

    home: Home
    asset: str
    kept: str
    partition: str

    @property
    def folder(self) -> Path:
        """Where the versions lie, named by fingerprint."""
        return self.home.warehouse / self.kept / self.asset.rpartition("/")[2] / self.partition

    def keep(self) -> Path | None:
        """Let the partition of now stay, whatever replaces it; None where there is none.

        Costs a link, not a copy, where the file system has links.
        """
        path = Warehouse(self.home.warehouse).path(self.asset, self.partition)
        stamp = read_stamp(path)
        if stamp is None:
            return None
        version = self.folder / f"{stamp.fingerprint[:FINGERPRINT_CHARS]}.parquet"
        if version.exists():
            return version
        with replacing(version) as beside:
            try:
                os.link(path, beside)
            except OSError:
                shutil.copyfile(path, beside)
        return version

    def stamps(self) -> Iterator[Stamp]:
        """Stamps of the versions that stayed, in no order."""
        for path in self.folder.glob("*.parquet"):
            stamp = read_stamp(path)
            if stamp is not None:
                yield stamp

    def holds(self, recipe: Recipe) -> bool:
        """Whether a version has the settings and inputs of the recipe, be its code another."""
        return any(
            stamp.recipe.config == recipe.config and stamp.recipe.inputs == recipe.inputs
            for stamp in self.stamps()
        )
