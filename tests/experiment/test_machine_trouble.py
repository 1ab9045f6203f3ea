"""Two commands in one folder, many workers, and tasks at which the machine failed."""

import os
from pathlib import Path

import pytest
from rich.console import Console

from srft_assets.cli.lab import run
from srft_assets.errors import SrftError
from srft_assets.experiment import pool
from srft_assets.experiment.alone import alone
from srft_assets.experiment.bench import Bench, CellResult
from srft_assets.experiment.data import Data
from srft_assets.experiment.design import QUICK, Cell, Place
from srft_assets.experiment.scores import cell_frame
from srft_assets.home import Home
from tests.experiment.conftest import REGIME


class Named(Bench):
    """A bench that reads no data."""

    fixed = "fixed"


def test_the_second_of_two_at_once_changes_nothing(tmp_path: Path) -> None:
    with (
        alone(tmp_path / "experiment"),
        pytest.raises(SrftError, match=r"experiment: another srft lab reproduce .* --out"),
    ):
        run(Console(quiet=True), tmp_path, QUICK, REGIME, 1, "srft lab reproduce")
    assert [path.name for path in tmp_path.iterdir()] == ["experiment"]
    with alone(tmp_path / "experiment"):
        pass


def test_what_the_machine_failed_at_is_no_failure_of_the_model(tmp_path: Path) -> None:
    cell = Cell(rows=None, steps=0, seed=0)
    ends = ("resolved", "unresolved", "infra_error", "infra_error")
    result = CellResult(
        cell=cell,
        training={},
        scores=[(f"t{place}", end, "Submitted", 1, True) for place, end in enumerate(ends)],
        train_seconds=0,
        play_seconds=0,
    )
    bench = Named(Data(Home(tmp_path)), REGIME, QUICK)
    frame = cell_frame([Place("steps", "base", cell)], {cell: result}, bench)
    assert frame.select("tasks", "resolved", "rate").row(0) == (4, 1, 0.5)
    nothing = result.model_copy(update={"scores": result.scores[2:]})
    lost = cell_frame([Place("steps", "base", cell)], {cell: nothing}, bench)
    assert lost["rate"].to_list() == [None]


def test_as_many_workers_work_at_once_as_were_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each stays busy until all have a cell."""
    count = min(32, (os.cpu_count() or 1) + 4) + 2
    worker = tmp_path / "slow_worker.py"
    worker.write_text(
        "import pathlib, sys, time, uuid\n"
        "for line in sys.stdin:\n"
        "    folder = pathlib.Path(sys.argv[1])\n"
        "    (folder / uuid.uuid4().hex).touch()\n"
        "    end = time.monotonic() + 30\n"
        f"    while len(list(folder.iterdir())) < {count} and time.monotonic() < end:\n"
        "        time.sleep(0.02)\n"
        f"    if len(list(folder.iterdir())) < {count}:\n"
        "        sys.exit('error: alone')\n"
        "    print('{\"finished\": true}', flush=True)\n"
    )
    monkeypatch.setattr(pool, "MODULE", "slow_worker")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    seen = tmp_path / "seen"
    seen.mkdir()
    cells = [Cell(rows=None, steps=0, seed=seed) for seed in range(count)]
    heard: list[int] = []
    pool.run_cells(cells, seen, count, lambda number, news: heard.append(number))
    assert sorted(heard) == list(range(count))
