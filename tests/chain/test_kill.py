"""SIGKILL at any moment, then the same command again: as if nothing had happened."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from srft_assets.home import Home
from srft_assets.instance import shipped_settings
from srft_assets.warehouse.query import run_query
from tests.chain.support import files, srft, start, state, unfinished

KILLS = {"ingest": 4, "apply": 3}
APPLY = ("apply", "masked_tokens/srft", "step_verdicts/rules")
COUNTS = "SELECT asset, partition, rows FROM partitions ORDER BY ALL"


@dataclass(frozen=True)
class Undisturbed:
    """A command that was left alone: what it works on, and what it leaves, in what time."""

    words: tuple[str, ...]
    before: Home
    after: Home
    seconds: float
    """From its first write to its end."""


def until_first_write(home: Home, process: subprocess.Popen) -> None:
    before = files(home)
    while files(home) == before and process.poll() is None:
        time.sleep(0.01)


def left_alone(words: tuple[str, ...], before: Home, after: Home) -> Undisturbed:
    if before.root.exists():
        shutil.copytree(before.root, after.root)
    process = start(after, *words)
    until_first_write(after, process)
    begun = time.monotonic()
    printed, _ = process.communicate(timeout=200)
    assert process.returncode == 0, printed
    return Undisturbed(words, before, after, time.monotonic() - begun)


def kill_after(seconds: float, home: Home, words: tuple[str, ...]) -> bool:
    """Kill the command so long after its first write; False where it had ended before."""
    process = start(home, *words)
    until_first_write(home, process)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    return process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def commands(
    some_runs: Path, with_base_model, tmp_path_factory: pytest.TempPathFactory
) -> list[Undisturbed]:
    """`srft ingest` into nothing, and `srft apply` on what it leaves."""
    folder = tmp_path_factory.mktemp("undisturbed")
    words = ("ingest", str(some_runs), "--batch-size", "9")
    ingest = left_alone(words, Home(folder / "nothing"), Home(folder / "ingested"))
    ready = Home(folder / "ready")
    shutil.copytree(ingest.after.root, ready.root)
    with_base_model(ready)
    return [ingest, left_alone(APPLY, ready, Home(folder / "applied"))]


def moments(command: Undisturbed) -> Iterator[float]:
    """Shares of its time, one at random from each equal part of it."""
    rng = random.Random(command.words[0])
    kills = KILLS[command.words[0]]
    for number in range(kills):
        yield (number + rng.random()) / kills


def disturbed(command: Undisturbed, moment: float, home: Home) -> None:
    """Kill the command once, then give it again; everything must be as if it was left alone."""
    delay = command.seconds * moment
    while True:
        shutil.rmtree(home.root, ignore_errors=True)
        if command.before.root.exists():
            shutil.copytree(command.before.root, home.root)
        if kill_after(delay, home, command.words):
            break
        delay /= 2
    srft(home, *command.words)
    where = f"srft {command.words[0]} killed {delay:.2f} s after its first write"
    assert state(home) == state(command.after), where
    assert unfinished(home) == [], where
    settings = home.dagster / "dagster.yaml"
    assert settings.read_bytes() == shipped_settings().read_bytes(), where
    told = run_query(home, COUNTS)
    assert told.equals(run_query(command.after, COUNTS)), where


@pytest.mark.timeout(600)
def test_a_killed_command_given_again_leaves_what_an_undisturbed_one_does(commands, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        done = [
            pool.submit(disturbed, command, moment, Home(tmp_path / f"{command.words[0]}{number}"))
            for command in commands
            for number, moment in enumerate(moments(command))
        ]
        for one in done:
            one.result()


def test_the_undisturbed_run_is_worth_killing(commands):
    ingest, apply = (run_query(command.after, COUNTS) for command in commands)
    assert ingest.filter(asset="trajectories")["rows"].to_list() == [9, 9, 6]
    assert set(apply["asset"]) == {
        "base_models/tiny",
        "integrity",
        "masked_tokens/srft",
        "step_verdicts/rules",
        "test_outcomes",
        "trajectories",
    }
    refused = run_query(commands[0].after, "SELECT source FROM quarantine")
    assert "torn.json" in refused["source"].to_list()
