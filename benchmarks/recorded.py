"""Recorded runs, as benchmarks take them."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from srft_assets.home import Home
from srft_assets.tokens.mask import Job
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.model import Trajectory, from_row
from srft_assets.warehouse.partitions import Warehouse


def runs_below(folders: list[Path]) -> Iterator[Trajectory]:
    """All runs that `srft ingest` finds."""
    with TemporaryDirectory() as scratch:
        home = Home(Path(scratch))
        for batch in ingest(home, folders, batch="benchmark").batches:
            rows = Warehouse(home.warehouse).read("trajectories", batch)
            yield from map(from_row, rows.iter_rows(named=True))


def job_of(run: Trajectory) -> Job:
    """Every step trained, so that every step is verified."""
    return Job(run, {step.step_index: True for step in run.steps})
