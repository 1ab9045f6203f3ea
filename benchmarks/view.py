"""How long the pages of `srft view` take on a large platform.

    python -m benchmarks.view [--runs 67000] [--rounds 5] [--folder FOLDER]

Runs come from `benchmarks/scale_runs.py`: 200 of them, one of 400 steps among them, are read and
judged by the rules, and stand in every batch under ids of their own. A second critic labels one
step in ten otherwise. Prints one JSON object: `start` is how long `srft view` reads before it
prints its link; of each page the first answer, after the start, and the median of the others, in
seconds from the request to the last byte. The first search in all commands or reasons reads them;
what it found is kept for the others. 1,000 runs take about 30 MB of disk.
"""

import argparse
import http.client
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from benchmarks.scale_runs import Runs
from srft_assets.home import Home
from srft_assets.warehouse.partitions import Warehouse

BATCH = 200
LONG = 400
PORT = 4747
LABELS = ("good", "unnecessary", "mistake", "recover")
MADE = ("trajectories", "test_outcomes", "step_verdicts/rules")


def first_batch(home: Home, runs: int) -> None:
    """One batch as the platform makes it, and the verdicts of a second critic."""
    from srft_assets.platform.stages import load_stages
    from srft_assets.trajectories.ingest import ingest
    from srft_assets.warehouse.making import make_partition, work_alone

    made = Runs()
    source = home.root / "source" / "runs.jsonl"
    source.parent.mkdir(parents=True)
    long = made.run(0, LONG)
    rest = (made.run(number) for number in range(1, runs))
    source.write_bytes(b"".join(orjson.dumps(run) + b"\n" for run in (long, *rest)))
    ingest(home, [source], batch="batch-000")
    stages = load_stages()
    for asset in MADE:
        make_partition(stages[asset], work_alone(stages[asset], home, "batch-000"))
    warehouse, draw = Warehouse(home.warehouse), random.Random(0)
    frame = warehouse.read(MADE[2], "batch-000")
    other = [draw.choice(LABELS) if draw.random() < 0.1 else one for one in frame["label"]]
    write(warehouse, "step_verdicts/other", "batch-000", frame.with_columns(label=pl.Series(other)))


def write(warehouse: Warehouse, asset: str, batch: str, frame: pl.DataFrame) -> None:
    """A partition with the stamp of the verdicts of the first batch: pages look at none."""
    stamp = warehouse.stamp(MADE[2], "batch-000")
    assert stamp is not None
    warehouse.write(asset, batch, frame, stamp)


def fill(home: Home, runs: int) -> str:
    """All batches; the id of the run of `LONG` steps in the last."""
    first_batch(home, min(runs, BATCH))
    warehouse, last = Warehouse(home.warehouse), 0
    frames = {one: warehouse.read(one, "batch-000") for one in (*MADE, "step_verdicts/other")}
    for number in range(1, runs // BATCH):
        for asset, frame in frames.items():
            own = pl.concat_str(pl.lit(f"b{number:03}-"), pl.col("trajectory_id"))
            write(warehouse, asset, f"batch-{number:03}", frame.with_columns(trajectory_id=own))
        last = number
    found = frames["trajectories"].filter(n_steps=LONG)["trajectory_id"][0]
    return f"b{last:03}-{found}" if last else found


def served(home: Home) -> tuple[Any, str, float]:
    """A server in this process with its cookie, and how long it read."""
    import uvicorn

    from srft_assets.cli.platform import refresh_catalogue
    from srft_assets.view.access import Keys
    from srft_assets.view.app import view_app

    refresh_catalogue(home)
    keys = Keys()
    app = view_app(home, keys, PORT)
    began = time.perf_counter()
    app.state.index.warm()
    started = time.perf_counter() - began
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=PORT, log_level="warning"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.02)
    session = keys.session(keys.link())
    return server, f"srft_view_{PORT}={session}", started


def answer(path: str, cookie: str) -> tuple[float, int]:
    """Seconds and bytes of a page. Raises ValueError where it is none."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)
    connection.request("GET", path, headers={"cookie": cookie})
    told = connection.getresponse()
    body = told.read()
    if told.status != http.client.OK:
        raise ValueError(f"{path}: {told.status}")
    return time.perf_counter() - began, len(body)


def measure(home: Home, run: str, rounds: int) -> dict[str, Any]:
    """Every page, by name."""
    pages = {
        "first_page": "/",
        "by_disagreement": "/?critic=rules&other=other&disagreement=10&sort=disagreement&down=1",
        "by_mistakes": "/?critic=rules&mistakes=20&sort=mistakes&down=1",
        "by_condition": "/?where=n_steps+%3E+100+AND+first_mistake+%3C+5&start=1000",
        "search_in_ids": "/?search=case-0-0042",
        "search_in_commands": "/?search=grep+%27ben&place=commands",
        "search_in_all_commands": "/?search=in+no+command&place=commands",
        "search_in_all_reasons": "/?search=in+no+reason&place=reasons",
        "run_of_400_steps": f"/run/{run}",
        "compare": "/compare?a=rules&b=other",
        "judge": f"/judge?who=ann&run={run}",
    }
    server, cookie, started = served(home)
    told: dict[str, Any] = {"start": round(started, 2)}
    for name, path in pages.items():
        first, size = answer(path, cookie)
        others = [answer(path, cookie)[0] for _ in range(rounds)]
        told[name] = {
            "first": round(first, 3),
            "then": round(statistics.median(others), 3),
            "kb": size // 1000,
        }
    server.should_exit = True
    return told


def main(arguments: Sequence[str]) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=67_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the platform is made, and stays")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        home = Home((given.folder or Path(scratch)).resolve() / "home")
        note = home.root / "long-run.txt"
        if not note.exists():
            run = fill(home, given.runs)
            note.write_text(run)
        told = {"runs": given.runs, **measure(home, note.read_text(), given.rounds)}
    print(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    main(sys.argv[1:])
