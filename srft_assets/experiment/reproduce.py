"""All cells that are not finished yet, then the report."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from srft_assets.errors import SrftError
from srft_assets.experiment.bench import Bench
from srft_assets.experiment.machine import commit
from srft_assets.experiment.plan import all_places, distinct
from srft_assets.experiment.pool import run_cells
from srft_assets.experiment.report import write_report
from srft_assets.experiment.sections import Ran
from srft_assets.experiment.worker import BenchFile
from srft_assets.warehouse.placing import place

Show = Callable[[str, int, int, str], None]
"""Draws a bar: its label, how much is done, of how much, a note."""


@dataclass
class Board:
    """What the workers say, as bars: all cells, and what each worker is doing."""

    show: Show
    total: int
    done: int = 0
    began: float = field(default_factory=time.monotonic)
    at_first: int = 0

    def __post_init__(self) -> None:
        self.at_first = self.done
        self._tell()

    def hear(self, number: int, news: dict[str, Any]) -> None:
        """One line of a worker."""
        if news.get("finished"):
            self.done += 1
            self._tell()
        else:
            self.show(f"worker {number + 1}", news["done"], news["of"], news["doing"])

    def _tell(self) -> None:
        self.show("cells", self.done, self.total, self._left())

    def _left(self) -> str:
        made = self.done - self.at_first
        if not made:
            return ""
        seconds = (time.monotonic() - self.began) / made * (self.total - self.done)
        return f"{seconds / 60:.0f} min left"


def check_outcomes(outcomes: pl.DataFrame) -> None:
    """Raises SrftError where the grading of the teacher's runs failed for the machine's reasons."""
    bad = outcomes.filter(pl.col("status").is_in(["infra_error", "timeout", "unknown"]))
    if bad.height:
        run, status, reason = bad.select("trajectory_id", "status", "reason").row(0)
        raise SrftError(
            f"{bad.height} of the teacher's runs were not graded ({run}: {status}, {reason}): "
            "remove warehouse/test_outcomes from the folder and start again"
        )


def reproduce(
    bench: Bench, out: Path, workers: int, command: str, show: Show, began: float | None = None
) -> Path:
    """Run what is missing and write the report; returns its path.

    A finished cell is a file named by all that decides it, and is never run again. `began`: when
    the command did, on the monotonic clock.
    """
    began = time.monotonic() if began is None else began
    began_at = commit()
    check_outcomes(bench.data.outcomes)
    cells = distinct(all_places(bench))
    missing = [cell for cell in cells if not bench.path(cell).exists()]
    stated = BenchFile(
        root=bench.data.home.root,
        batch=bench.data.batch,
        regime=bench.regime,
        form=bench.form,
        fixed=bench.fixed,
    )
    path = bench.folder / "bench.json"
    place(path, stated.model_dump_json(indent=2).encode())
    board = Board(show, len(cells), len(cells) - len(missing))
    if missing:
        run_cells(missing, path, workers, board.hear)
    shutil.rmtree(bench.folder / "work", ignore_errors=True)
    seconds = time.monotonic() - began
    return write_report(bench, out, Ran(command, workers, seconds, len(missing), began_at))
