"""`srft apply --engine ray`: the same partitions, made on the nodes of a real Ray cluster."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from srft_assets.home import Home
from srft_assets.processes.locks import partition_turn
from tests.chain.support import srft, start, state
from tests.trajectories.ingest_support import run_of, write_lines

pytest.importorskip("ray", reason='Ray is not installed: pip install "srft-assets[ray]"')
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
VERDICTS = "step_verdicts/rules"
NAMES = [f"runs-{number:03}" for number in range(6)]
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that takes no work, and two nodes of one core."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        try:
            yield made
        finally:
            made.shutdown()


@pytest.fixture
def nodes(cluster: Any) -> Iterator[list[Any]]:
    found = [cluster.add_node(num_cpus=1) for _ in range(2)]
    cluster.wait_for_nodes()
    yield found
    for node in found:
        if node in cluster.worker_nodes:
            cluster.remove_node(node)


@pytest.fixture
def ingested(home: Home, tmp_path: Path) -> Home:
    path = write_lines(tmp_path / "runs.jsonl", [run_of(f"r{number}") for number in range(12)])
    srft(home, "ingest", str(path), "--batch-size", "2")
    return home


def test_a_killed_node_costs_no_partition(
    ingested: Home,
    cluster: Any,
    nodes: list[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SRFT_RAY_ADDRESS", cluster.address)
    alone = Home(tmp_path / "alone")
    shutil.copytree(ingested.root, alone.root)
    srft(alone, "apply", VERDICTS)
    with partition_turn(ingested, VERDICTS, NAMES[0], pytest.fail):
        command = start(ingested, "apply", VERDICTS, "--engine", "ray")
        until = time.monotonic() + 300
        while len(list((ingested.warehouse / VERDICTS).glob("runs-*.parquet"))) < len(NAMES) - 1:
            assert command.poll() is None, command.communicate()[0]
            assert time.monotonic() < until
            time.sleep(0.2)
        busy = [node for node in nodes if _works(node)]
        assert len(busy) == 1, "one waits for the partition that is held"
        cluster.remove_node(busy[0], allow_graceful=False)
    printed, _ = command.communicate(timeout=300)
    assert command.returncode == 0, printed
    assert f"made {VERDICTS}: {', '.join(NAMES)}" in printed
    assert state(ingested) == state(alone)


@pytest.mark.usefixtures("nodes")
def test_no_node_imports_what_lies_in_the_folder_of_the_command(
    ingested: Home, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, ran = tmp_path / "downloaded", tmp_path / "ran"
    folder.mkdir()
    (folder / "polars.py").write_text(f"open({str(ran)!r}, 'w').close()\n")
    monkeypatch.setenv("SRFT_RAY_ADDRESS", cluster.address)
    monkeypatch.setenv("PYTHONSAFEPATH", "1")  # of the command, as the installed one has it
    monkeypatch.chdir(folder)
    command = start(ingested, "apply", VERDICTS, "--engine", "ray")
    printed, _ = command.communicate(timeout=300)
    assert command.returncode == 0, printed
    assert not ran.exists()


def _works(node: Any) -> bool:
    """Whether a task runs there."""
    import psutil

    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    titles = (" ".join(child.cmdline()) for child in raylet.children(recursive=True))
    return any(title.startswith("ray::_made") for title in titles)


def test_where_no_cluster_answers_is_told_in_one_line(
    ingested: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRFT_RAY_ADDRESS", "127.0.0.1:1")
    command = start(ingested, "apply", VERDICTS, "--engine", "ray")
    printed, _ = command.communicate(timeout=300)
    assert command.returncode == 1
    assert "error: no Ray cluster answers at 127.0.0.1:1 (ray.address): ray start --head" in printed
