"""How fast partitions are written by several processes, and read through the views.

Prints one JSON object. Ratios compare things measured in the same run: writers against one
writer, a view against polars scanning the same files, `srft sql` against the bare connection.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import polars as pl

from srft_assets.critic.verdict import STEP_VERDICTS
from srft_assets.home import Home
from srft_assets.trajectories.model import TRAJECTORIES
from srft_assets.warehouse.catalogue import build_catalogue
from srft_assets.warehouse.partitions import Stamp, Warehouse, data_version
from srft_assets.warehouse.query import open_readonly, run_query
from srft_assets.warehouse.recipe import Recipe

ROWS = 10_000
TURNS = 5
SHARES = "SELECT label, steps FROM label_shares WHERE critic = 'rules' ORDER BY label"

WRITER = """
import sys, time
from pathlib import Path
from benchmarks.warehouse import put, verdicts
from srft_assets.warehouse.partitions import Warehouse

root, name, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
frame, warehouse = verdicts(0, 1000), Warehouse(root)
print("ready", flush=True)
sys.stdin.readline()
written, worst, end = 0, 0.0, time.perf_counter() + seconds
while (began := time.perf_counter()) < end:
    put(warehouse, f"{name}-{written % 20}", frame)
    written, worst = written + 1, max(worst, time.perf_counter() - began)
print(written, worst)
"""


def verdicts(number: int, rows: int) -> pl.DataFrame:
    """A partition of step verdicts."""
    labels = ("good", "unnecessary", "mistake", "recover")
    row = pl.int_range(rows, eager=True)
    return pl.DataFrame(
        {
            **dict.fromkeys(STEP_VERDICTS),
            "trajectory_id": (row // 20).cast(pl.String) + f".{number}",
            "step_index": row % 20,
            "label": [labels[(number + each) % 4] for each in range(rows)],
            "reason": "the command failed with return code 1",
            "rule": "failed",
        },
        schema=STEP_VERDICTS,
        strict=False,
    )


def runs_of(verdicts: pl.DataFrame) -> pl.DataFrame:
    """The runs that the verdicts speak of: the view leaves out those of runs that are gone."""
    names = verdicts["trajectory_id"].unique(maintain_order=True)
    cells = {**dict.fromkeys(TRAJECTORIES), "trajectory_id": names}
    return pl.DataFrame(cells, schema=TRAJECTORIES, strict=False)


def put(
    warehouse: Warehouse, partition: str, frame: pl.DataFrame, asset: str = "step_verdicts/rules"
) -> None:
    """Write a partition as a run does, its data version included."""
    version = data_version(frame)
    stamp = Stamp(Recipe(), Recipe().fingerprint, version, frame.height, "bench", "2026-01-01")
    warehouse.write(asset, partition, frame, stamp)


def writing(writers: int, seconds: float) -> dict[str, float]:
    """Partitions a second of all writers together, and the longest wait for one."""
    with tempfile.TemporaryDirectory() as folder:
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, folder, f"w{each}", str(seconds)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for each in range(writers)
        ]
        for process in processes:
            assert process.stdout and process.stdout.readline() == "ready\n"
        ends = [process.communicate("go\n")[0].split() for process in _started(processes)]
    rate = sum(int(written) for written, _ in ends) / seconds
    return {"per_second": rate, "worst_wait_s": max(float(worst) for _, worst in ends)}


def _started(processes: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    """All writers begin before any is waited for."""
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    return processes


def reading(partitions: int, rounds: int) -> dict[str, float]:
    """Milliseconds of one statistic over many partitions, by each way to it."""
    schemas = dict(import_module("srft_assets.platform.schemas").SCHEMAS)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        warehouse = Warehouse(home.warehouse)
        for number in range(partitions):
            judged = verdicts(number, ROWS)
            put(warehouse, f"b{number}", judged)
            put(warehouse, f"b{number}", runs_of(judged), "trajectories")
        began = time.perf_counter()
        build_catalogue(home, schemas)
        built = (time.perf_counter() - began) * 1000
        files = sorted((home.warehouse / "step_verdicts" / "rules").glob("*.parquet"))
        with open_readonly(home) as connection:
            ways: dict[str, Callable[[], object]] = {
                "polars_scan_ms": lambda: _scan(files),
                "view_ms": lambda: connection.sql(SHARES).fetchall(),
                "srft_sql_ms": lambda: run_query(home, SHARES),
                "partitions_view_ms": lambda: connection.sql("FROM partitions").fetchall(),
            }
            assert _scan(files).rows() == connection.sql(SHARES).fetchall()
            return {"build_ms": built, **_medians(ways, rounds)}


def _scan(files: list[Path]) -> pl.DataFrame:
    rows = pl.scan_parquet(files).group_by("label").agg(steps=pl.len().cast(pl.Int64))
    return rows.sort("label").collect()


def _medians(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Taken in turns, so that the load of the machine meets all alike."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, call in ways.items():
            began = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - began) * 1000)
    return {name: statistics.median(each) for name, each in times.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.5, help="of one turn of writers")
    parser.add_argument("--partitions", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    figures: dict[str, float] = {}
    turns = [{n: writing(n, given.seconds) for n in (1, 2, 4)} for _ in range(TURNS)]
    for writers in (1, 2, 4):
        rates = [turn[writers]["per_second"] for turn in turns]
        figures[f"writers_{writers}_per_second"] = statistics.median(rates)
        figures[f"writers_{writers}_worst_wait_s"] = max(t[writers]["worst_wait_s"] for t in turns)
    for writers in (2, 4):
        ratio = figures[f"writers_{writers}_per_second"] / figures["writers_1_per_second"]
        figures[f"ratio_writers_{writers}_to_1"] = ratio
    figures |= reading(given.partitions, given.rounds)
    figures["ratio_view_to_polars_scan"] = figures["view_ms"] / figures["polars_scan_ms"]
    figures["ratio_srft_sql_to_view"] = figures["srft_sql_ms"] / figures["view_ms"]
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
