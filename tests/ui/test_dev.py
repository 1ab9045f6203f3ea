"""`srft dev`: the Dagster UI, its daemon and our code location, as a user starts them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from srft_assets.components.stages import stages_in
from srft_assets.definitions import defs
from srft_assets.home import CHECKOUT, Home
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.store import Warehouse
from tests.chain.conftest import tokenizer_with, with_base_model
from tests.chain.support import srft
from tests.trajectories.ingest_support import run_of, write_lines
from tests.ui.browser import ADD_PARTITION, LOCATIONS, PARTITIONS, Browser

__all__ = ["tokenizer_with", "with_base_model"]

pytestmark = pytest.mark.timeout(600)

PROGRAM = [sys.executable, "-c", "from srft_assets.cli import main; main()"]
REPOSITORY = {"repositoryLocationName": "srft", "repositoryName": "__repository__"}
STARTS = 2
"""One start in eleven dies with its daemon."""
START_SECONDS = 150


def free_port() -> int:
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return some.getsockname()[1]


def start(home: Home, log: Path, port: int) -> subprocess.Popen:
    with log.open("wb") as file:
        return subprocess.Popen(
            [*PROGRAM, "dev", "--port", str(port)],
            env={**os.environ, "SRFT_HOME": str(home.root)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def comes_up(process: subprocess.Popen, browser: Browser) -> bool:
    """Whether it serves the code location before its time is over."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if browser.is_answered():
            entries = browser.ask(LOCATIONS)["locationEntries"]
            if entries and all(entry["loadStatus"] == "LOADED" for entry in entries):
                return True
        time.sleep(0.5)
    return False


def stop(process: subprocess.Popen) -> set[int]:
    """Ctrl-C; the processes that outlive it by much, which are then ended."""
    children = psutil.Process(process.pid).children(recursive=True) if alive(process) else []
    if alive(process):
        os.killpg(process.pid, signal.SIGINT)
    _, left = psutil.wait_procs([*children, psutil.Process(process.pid)], timeout=90)
    for one in left:
        one.kill()
    process.wait()
    return {one.pid for one in left}


def alive(process: subprocess.Popen) -> bool:
    return process.poll() is None


@pytest.fixture(scope="module")
def home(with_base_model, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A platform with a batch that nobody has read, and a file in its inbox."""
    home = Home(tmp_path_factory.mktemp("ui") / "home")
    folder = home.root / "sources"
    ingest(home, [write_lines(folder / "mine.jsonl", [run_of("a"), run_of("b"), run_of("c")])])
    night = write_lines(home.inbox / "night.jsonl", [run_of("d")])
    os.utime(night, (0, 0))
    with_base_model(home)
    return home


@pytest.fixture(scope="module")
def browser(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The UI, opened."""
    log = tmp_path_factory.mktemp("log") / "dev.log"
    for _ in range(STARTS):
        browser = Browser(free_port())
        process = start(home, log, browser.port)
        if comes_up(process, browser):
            break
        stop(process)
    else:
        pytest.fail(f"no UI after {STARTS} starts:\n{log.read_text()[-4000:]}")
    yield browser
    assert stop(process) == set(), "Ctrl-C must end every process"


def materialized(browser: Browser, asset: str) -> list[str]:
    """Partitions that the asset's page shows as there."""
    shown = browser.ask(PARTITIONS, asset=asset.split("/"))["assetPartitionStatuses"]
    return shown["materializedPartitions"]


def test_the_code_location_loads_with_everything_in_it(browser: Browser):
    (entry,) = browser.ask(LOCATIONS)["locationEntries"]
    assert entry["name"] == "srft"
    assert "message" not in entry["locationOrLoadError"], entry
    (repository,) = entry["locationOrLoadError"]["repositories"]
    keys = {"/".join(node["assetKey"]["path"]) for node in repository["assetNodes"]}
    assert keys == set(stages_in(defs()))
    jobs = {job["name"] for job in repository["jobs"]}
    assert jobs >= {"ingest_runs", "relabel", "prepare_batch", "train_and_score"}
    sensors = {one["name"]: one["sensorState"]["status"] for one in repository["sensors"]}
    assert sensors["inbox"] == "RUNNING"
    schedules = {one["name"]: one["scheduleState"]["status"] for one in repository["schedules"]}
    assert schedules == {"relabel_nightly": "STOPPED"}


def test_a_batch_is_materialized_from_the_ui(browser: Browser, home: Home):
    added = browser.ask(ADD_PARTITION, repository=REPOSITORY, partition="mine")
    assert added["__typename"] == "AddDynamicPartitionSuccess"
    for asset in ("trajectories", "test_outcomes", "step_verdicts/rules", "masked_tokens/srft"):
        assert browser.wait_for(browser.materialize(asset, "mine")) == "SUCCESS", asset
        assert "mine" in materialized(browser, asset)
    warehouse = Warehouse(home.warehouse)
    assert warehouse.read("trajectories", "mine").height == 3
    assert warehouse.read("step_verdicts/rules", "mine").height == 6
    assert warehouse.read("masked_tokens/srft", "mine").height == 3


def test_a_file_in_the_inbox_is_read_by_itself(browser: Browser, home: Home):
    outcomes = Warehouse(home.warehouse).path("test_outcomes", "night")
    deadline = time.monotonic() + 150
    while not outcomes.exists() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert Warehouse(home.warehouse).read("trajectories", "night").height == 1
    assert outcomes.exists()


def test_the_command_line_works_beside_it_and_is_seen_in_it(browser: Browser, home: Home):
    path = write_lines(home.root / "sources" / "beside.jsonl", [run_of("e")])
    assert "batch beside: 1 runs" in srft(home, "ingest", str(path))
    srft(home, "apply", "step_verdicts/rules", "--batch", "beside")
    assert "beside" in materialized(browser, "step_verdicts/rules")


def test_a_run_that_cannot_succeed_says_why(browser: Browser):
    browser.ask(ADD_PARTITION, repository=REPOSITORY, partition="ghost")
    run = browser.materialize("trajectories", "ghost")
    assert browser.wait_for(run) == "FAILURE"
    question = """query($run: ID!) { logsForRun(runId: $run) { ... on EventConnection {
      events { ... on ExecutionStepFailureEvent { error { message } failureMetadata {
        description } } } } } }"""
    events = browser.ask(question, run=run)["events"]
    told = " ".join(str(event) for event in events if event)
    assert "no batch 'ghost': register it with `srft ingest`" in told


def test_the_workspace_file_loads_the_same(tmp_path: Path):
    program = Path(sys.executable).parent / "dagster"
    done = subprocess.run(
        [program, "definitions", "validate", "-w", str(CHECKOUT / "workspace.yaml")],
        env={**os.environ, "SRFT_HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path)},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "srft" in done.stdout + done.stderr


def test_dg_finds_nothing_to_say(tmp_path: Path):
    program = Path(sys.executable).parent / "dg"
    done = subprocess.run(
        [program, "check", "yaml"],
        env={**os.environ, "SRFT_HOME": str(tmp_path), "VIRTUAL_ENV": sys.prefix},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
