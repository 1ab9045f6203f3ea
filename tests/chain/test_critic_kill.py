"""Sixty real runs and a model behind HTTP: whatever happens, every answer is paid for once."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from srft_assets.critic.ledger import Ledger
from srft_assets.home import Home
from srft_assets.serving import URL
from srft_assets.warehouse.query import run_query
from tests.chain.support import state, unfinished
from tests.critic.server import answered_in, serving_apart
from tests.specs.checkout import Checkout

CALLS = 30
"""Runs of the data set that failed: one call each."""
BEFORE_THE_KILL = 10
DELAY = 0.4
CONCURRENCY = 4
AT_ONCE = f"endpoint: {{concurrency: {CONCURRENCY}}}"
"""Few calls at once, so that a kill finds some answered, some under way and some unasked."""
PROMPT = "srft_assets/defs/critics/default/prompt.md"
FIRST, SECOND = "Read the edits.", "Read all edits."
APPLY = ("apply", "--critic", "default")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server") / "answered.jsonl"


@pytest.fixture(scope="module", autouse=True)
def server(log: Path) -> Iterator[None]:
    """A server in a process of its own, which outlives all others."""
    with (
        serving_apart("--delay", DELAY, "--log", log) as url,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv(URL, url)
        yield


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    copy = Checkout.copy(tmp_path_factory.mktemp("checkout"))
    critic = "srft_assets/defs/critics/default/defs.yaml"
    copy.edit(critic, "  judge: failed", f"  judge: failed\n  {AT_ONCE}")
    return copy


@pytest.fixture(scope="module")
def ingested(shared: Path, checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The real runs, graded, and not labelled yet."""
    home = Home(tmp_path_factory.mktemp("ingested") / "home")
    runs = str(shared / "trajectories" / "mini-swe-agent-v1")
    checkout.srft(home, "ingest", runs, "--batch", "mini")
    return home


@pytest.fixture
def home(ingested: Home, log: Path, tmp_path: Path) -> Home:
    """A copy of it; nothing has been answered."""
    shutil.copytree(ingested.root, tmp_path / "home")
    log.unlink(missing_ok=True)
    return Home(tmp_path / "home")


def paid(log: Path) -> int:
    return answered_in(log).total()


def in_ledger(home: Home) -> set[str]:
    """Keys of the requests whose answers are kept."""
    with Ledger(home) as ledger:
        return {reply.key for reply, _ in ledger.everything()}


def wait_until(true: Callable[[], bool], process: subprocess.Popen) -> None:
    while not true():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


def kill(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


def planned(checkout: Checkout, home: Home) -> tuple[int, set[str]]:
    """Calls to pay for, and the assets that are not in sync."""
    told = orjson.loads(checkout.srft(home, "plan", "--critic", "default", "--json"))
    away = {item["asset"] for item in told["partitions"] if item["state"] != "in sync"}
    return told["cost"]["calls"] - told["cost"]["answered"], away


def test_killed_in_the_middle_every_call_is_paid_for_once(
    checkout: Checkout, home: Home, log: Path
):
    """A kill can lose the calls under way, and no others: a model server drops those of a client
    that dies, unless their answers are already on the way."""
    process = checkout.start(home, *APPLY)
    wait_until(lambda: len(in_ledger(home)) >= BEFORE_THE_KILL, process)
    kill(process)
    kept = in_ledger(home)
    assert BEFORE_THE_KILL <= len(kept) < CALLS
    assert not (home.warehouse / "step_verdicts" / "default").exists()

    printed = checkout.srft(home, *APPLY)
    assert "made step_verdicts/default: mini" in printed
    answered = answered_in(log)
    assert {answered[key] for key in kept} == {1}
    assert len(answered) == CALLS <= answered.total() <= CALLS + CONCURRENCY
    assert in_ledger(home) == set(answered)
    assert unfinished(home) == []
    told = run_query(home, "SELECT count(DISTINCT trajectory_id) AS runs FROM step_verdicts")
    assert told["runs"].item() == CALLS


def test_one_word_there_and_back(checkout: Checkout, home: Home, log: Path):
    checkout.srft(home, *APPLY)
    first = state(home)["step_verdicts/default/mini.parquet"]

    checkout.edit(PROMPT, FIRST, SECOND)
    try:
        below = {"critic_prompt/default", "step_verdicts/default", "critic_scores/default"}
        assert planned(checkout, home) == (CALLS, below), "nothing upstream"
        checkout.srft(home, *APPLY)
        assert planned(checkout, home) == (0, set())
        assert paid(log) == 2 * CALLS
    finally:
        checkout.edit(PROMPT, SECOND, FIRST)

    assert planned(checkout, home) == (0, below)
    checkout.srft(home, *APPLY)
    assert paid(log) == 2 * CALLS
    assert state(home)["step_verdicts/default/mini.parquet"] == first

    shutil.rmtree(home.dagster)
    assert planned(checkout, home) == (0, set()), "the plan does not need Dagster's instance"
    assert "Nothing to make" in checkout.srft(home, *APPLY)
    assert paid(log) == 2 * CALLS


def test_two_at_once(checkout: Checkout, home: Home, log: Path):
    both = [checkout.start(home, *APPLY) for _ in range(2)]
    printed = [process.communicate(timeout=200)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    assert paid(log) == CALLS
    assert set(answered_in(log).values()) == {1}
    assert planned(checkout, home) == (0, set())
    assert unfinished(home) == []


def test_who_waits_for_one_that_is_killed_goes_on(checkout: Checkout, home: Home, log: Path):
    first = checkout.start(home, *APPLY)
    wait_until(lambda: len(in_ledger(home)) >= 1, first)
    second = checkout.start(home, *APPLY)
    wait_until(lambda: len(in_ledger(home)) >= BEFORE_THE_KILL + 10, first)
    kill(first)
    printed, _ = second.communicate(timeout=100)
    assert second.returncode == 0, printed
    assert CALLS <= paid(log) <= CALLS + CONCURRENCY
    assert unfinished(home) == []
