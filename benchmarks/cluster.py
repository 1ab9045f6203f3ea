"""What several machines cost: starting work, answers of many writers, partitions side by side.

    python -m benchmarks.cluster [--prefix 'srun -p gpu'] [--postgres URL] [--runs 1600]

Starting work: a command that does nothing, here, behind `env`, and behind `--prefix`. Answers: 16
processes keep them at the same time, in SQLite and in the database of `--postgres`, which has to be
empty. Side by side: verdicts of the rules over batches of 200 generated runs, by one process and by
two. Prints one JSON object.
"""

import argparse
import json
import multiprocessing
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.ledger import reply, timed
from benchmarks.scale import generate
from srft_assets.critic.ledger import Ledger
from srft_assets.database.store import database_of
from srft_assets.home import Home
from srft_assets.processes.launch import job_folder, launch, launch_behind

PROGRAM = [sys.executable, "-P", "-c", "from srft_assets.cli import main; main()"]
TURNS = 5


def starting(folder: Path, prefix: Sequence[str]) -> dict[str, float]:
    """Median seconds of a command that does nothing."""

    def behind(words: Sequence[str]) -> None:
        with job_folder(folder / "launches") as job:
            launch_behind(words, ["true"], {}, job)

    ways: dict[str, Any] = {
        "here": lambda: launch(["true"], {}),
        "behind_env": lambda: behind(["env"]),
    }
    if prefix:
        ways[f"behind_{prefix[0]}"] = lambda: behind(prefix)
    return {name: statistics.median(timed(act) for _ in range(TURNS)) for name, act in ways.items()}


def write(home: Path, url: str, ready: Any, writer: int, count: int) -> None:
    """One of the writers."""
    os.environ["SRFT_DATABASE"] = url
    with Ledger(Home(home)) as ledger:
        ready.wait()
        for number in range(count):
            ledger.keep(reply(1_000_000 * (writer + 1) + number, 4096))


def answers_a_second(home: Path, url: str, count: int, each: int) -> float:
    """Answers of 4 KiB that are durable in a second, of `count` processes."""
    os.environ["SRFT_DATABASE"] = url
    database_of(Home(home))  # made before anybody measures
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(count + 1)
    ours = import_module("benchmarks.cluster").write  # spawned processes know no __main__ of runpy
    writers = [
        spawn.Process(target=ours, args=(home, url, ready, writer, each)) for writer in range(count)
    ]
    for process in writers:
        process.start()
    ready.wait()
    began = time.perf_counter()
    for process in writers:
        process.join()
    seconds = time.perf_counter() - began
    assert all(process.exitcode == 0 for process in writers)
    return count * each / seconds


def side_by_side(folder: Path, runs: int) -> dict[str, Any]:
    """Seconds of `srft apply step_verdicts/rules` by one process and by two, of the same runs."""
    generate(folder, runs)
    found: dict[str, Any] = {"runs": runs}
    for jobs in (1, 2):
        env = {**os.environ, "SRFT_HOME": str(folder / f"home-{jobs}"), "SRFT_DATABASE": ""}
        _srft(("ingest", str(folder / "source")), env)
        began = time.perf_counter()
        _srft(("apply", "step_verdicts/rules", "--jobs", str(jobs)), env)
        found[f"seconds_of_{jobs}"] = round(time.perf_counter() - began, 2)
    return found


def _srft(words: Sequence[str], env: Mapping[str, str]) -> None:
    subprocess.run([*PROGRAM, *words], env=env, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prefix", type=shlex.split, default=[])
    parser.add_argument("--postgres", default="")
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--answers", type=int, default=100, help="of each writer")
    parser.add_argument("--runs", type=int, default=1600)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        told: dict[str, Any] = {"start_seconds": starting(folder, given.prefix)}
        urls = {"sqlite": f"sqlite:///{folder}/answers.db", "postgres": given.postgres}
        told["answers_a_second"] = {
            which: answers_a_second(folder / which, url, given.writers, given.answers)
            for which, url in urls.items()
            if url
        }
        told["side_by_side"] = side_by_side(folder, given.runs)
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
