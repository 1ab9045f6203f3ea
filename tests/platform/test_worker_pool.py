"""`srft apply --jobs N`: the same partitions, made by processes of their own."""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from srft_assets.home import Home
from srft_assets.platform import worker_pool
from srft_assets.platform.stages import load_stages
from srft_assets.platform.worker_pool import Asked, make_side_by_side
from srft_assets.processes.locks import partition_turn
from tests.chain.support import srft, start, state
from tests.trajectories.ingest_support import run_of, write_lines

VERDICTS = "step_verdicts/rules"
HELD, *OTHERS = NAMES = ("runs-000", "runs-001", "runs-002")


MORTAL = """
import os, sys
from multiprocessing.connection import Connection
from srft_assets.platform.worker_pool import Ended
channel = Connection(int(sys.argv[1]))
channel.recv()
while True:
    name = channel.recv()
    if name.startswith("deadly"):
        os._exit(9)
    channel.send(Ended(name, "made"))
"""
"""A worker that some partitions kill."""


@pytest.fixture
def mortal(monkeypatch: pytest.MonkeyPatch) -> None:
    def command(module: str, *arguments: str) -> list[str]:
        return [sys.executable, "-c", MORTAL, *arguments]

    monkeypatch.setattr(worker_pool, "python", command)


@pytest.mark.usefixtures("mortal")
def test_dead_workers_are_replaced_while_anything_comes_to_an_end() -> None:
    names = ["a", "deadly-1", "b", "deadly-2", "c", "deadly-3", "d"]
    made = make_side_by_side(Asked("key", "run"), names, 2, Deaf())
    how = {one.name: (one.how, one.why) for one in made}
    assert {name for name, told in how.items() if told[0] == "made"} == {"a", "b", "c", "d"}
    assert how["deadly-3"] == ("failed", "its process ended with code 9")
    names = [f"deadly-{number}" for number in range(9)]
    why = [one.why for one in make_side_by_side(Asked("key", "run"), names, 2, Deaf())]
    assert len(why) == 9
    assert "no worker is left" not in why[:2] and why[-6:] == ["no worker is left"] * 6


class Deaf:
    def log(self, level: int, line: str) -> None:
        """Not kept."""

    def report(self, label: str, done: int, total: int, note: str = "") -> None:
        """Not kept."""


@pytest.fixture
def ingested(home: Home, tmp_path: Path) -> Home:
    """Three batches."""
    path = write_lines(tmp_path / "runs.jsonl", [run_of(f"r{number}") for number in range(12)])
    srft(home, "ingest", str(path), "--batch-size", "4")
    return home


def workers(parent: int) -> list[psutil.Process]:
    return [
        process
        for process in psutil.Process(parent).children(recursive=True)
        if "srft_assets.platform.worker" in process.cmdline()
    ]


def workers_that_wait(parent: int, home: Home) -> list[psutil.Process]:
    """Those that are there once all but the one that is held are made."""
    made = home.warehouse / VERDICTS
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if {path.stem for path in made.glob("[!_.]*.parquet")} == {*OTHERS}:
            return workers(parent)
        time.sleep(0.1)
    raise AssertionError("the others were not made")


def test_partitions_side_by_side_are_those_made_one_by_one(ingested: Home, tmp_path: Path) -> None:
    alone = Home(tmp_path / "alone")
    shutil.copytree(ingested.root, alone.root)
    for home, jobs in ((ingested, "2"), (alone, "1")):
        printed = srft(home, "apply", VERDICTS, "--jobs", jobs)
        assert f"made {VERDICTS}: {', '.join(NAMES)}" in printed
    assert state(ingested) == state(alone)
    assert "in sync" in srft(ingested, "apply", VERDICTS, "--jobs", "2")


def test_a_killed_worker_costs_its_partition_and_no_other(ingested: Home) -> None:
    with partition_turn(ingested, VERDICTS, HELD, pytest.fail):
        command = start(ingested, "apply", VERDICTS, "--jobs", "3")
        for process in workers_that_wait(command.pid, ingested):
            process.kill()
        printed, _ = command.communicate(timeout=120)
    assert command.returncode == 1
    assert f"failed {VERDICTS} {HELD}: its process was killed, perhaps by the system" in printed
    assert f"made {VERDICTS}: {', '.join(OTHERS)}" in printed
    srft(ingested, "apply", VERDICTS)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_command(ingested: Home, number: signal.Signals) -> None:
    with partition_turn(ingested, VERDICTS, HELD, pytest.fail):
        command = start(ingested, "apply", VERDICTS, "--jobs", "2")
        left = workers_that_wait(command.pid, ingested)
        os.kill(command.pid, number)
        gone, alive = psutil.wait_procs(left, timeout=30)
        assert gone and not alive
        command.communicate(timeout=60)
        assert command.returncode == (130 if number is signal.SIGINT else -number)


def test_what_asks_servers_or_computes_on_one_gpu_is_never_side_by_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    apart = {key for key, stage in load_stages().items() if stage.apart}
    assert {"trajectories", "step_verdicts/rules", "masked_tokens/srft"} <= apart
    assert not apart & {"step_verdicts/default", "checkpoints/srft", "eval_scores/srft"}
    monkeypatch.setenv("SRFT_LAUNCH_TRAINING", "srun -p gpu")
    apart = {key for key, stage in load_stages().items() if stage.apart}
    assert "checkpoints/srft" in apart and "eval_scores/srft" not in apart
