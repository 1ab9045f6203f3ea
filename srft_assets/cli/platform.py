"""What commands that materialize have in common."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from srft_assets.cli.progress import Bars
from srft_assets.errors import UsageError
from srft_assets.home import Home, current_home

if TYPE_CHECKING:
    from srft_assets.components.launch import Applier


def _allow_unsafe(stated: bool) -> bool:
    if stated:
        os.environ["SRFT_UNSAFE"] = "1"
    return stated


Unsafe = Annotated[
    bool,
    typer.Option(
        "--unsafe", help="Run commands of models without a sandbox.", callback=_allow_unsafe
    ),
]
"""Option of commands that run what a model wrote; also understood as SRFT_UNSAFE=1."""

SEEDS = [str(seed) for seed in range(10)]


@contextmanager
def applier(console: Console) -> Iterator["Applier"]:
    """Loads the platform and opens its Dagster instance, with progress bars on the console."""
    with console.status("loading the platform"):
        from srft_assets.cli.loading import load_definitions
        from srft_assets.components.launch import Applier, open_instance

        home = current_home()
        loaded = load_definitions()
        instance = open_instance(home)
    try:
        with Bars(console) as bars:
            yield Applier(loaded, home, instance, bars)
    finally:
        instance.dispose()
        refresh_catalogue(home)


def refresh_catalogue(home: Home) -> None:
    """Bring the DuckDB file up to date with the SQL of this version."""
    from srft_assets.schemas import SCHEMAS
    from srft_assets.warehouse.catalogue import build_catalogue

    build_catalogue(home, SCHEMAS)


def chosen_batches(home: Home, stated: list[str] | None) -> list[str]:
    """The stated batches, or all. Raises UsageError for one that was never ingested."""
    from srft_assets.trajectories.batches import batch_names

    known = batch_names(home)
    for name in stated or []:
        if name not in known:
            there = ", ".join(known) or "none yet"
            raise UsageError(f"no batch {name!r}; there are: {there}")
    return stated or known


def chosen_seeds(stated: list[str] | None) -> list[str]:
    """The stated seeds, or 0. Raises UsageError for one outside 0 to 9."""
    for seed in stated or []:
        if seed not in SEEDS:
            raise UsageError(f"no seed {seed!r}: seeds are 0 to 9")
    return stated or ["0"]
