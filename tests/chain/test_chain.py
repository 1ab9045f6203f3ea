"""Real runs in, from the command line, while somebody has the warehouse open."""

import ast
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from srft_assets.home import Home
from srft_assets.trajectories.batches import manifests
from srft_assets.warehouse.partitions import Warehouse
from tests.chain.support import srft, state

SESSION = """
import sys, duckdb
con = duckdb.connect(sys.argv[1])
for line in sys.stdin:
    print(con.execute(line).fetchall(), flush=True)
"""
"""What the duckdb shell is: a process that opens the file for writing and keeps it open."""

STATUSES = "SELECT status, count(*) AS runs FROM test_outcomes WHERE batch = '{}' GROUP BY ALL"


@contextmanager
def open_session(home: Home) -> Iterator[subprocess.Popen]:
    """Somebody who has `warehouse.duckdb` open."""
    process = subprocess.Popen(
        [sys.executable, "-c", SESSION, str(home.catalogue)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.communicate()
    assert process.returncode == 0


def ask(session: subprocess.Popen, question: str) -> str:
    session.stdin.write(f"{question}\n")
    session.stdin.flush()
    return session.stdout.readline().strip()


def statuses_of(session: subprocess.Popen, batch: str) -> dict[str, int]:
    rows = ast.literal_eval(ask(session, STATUSES.format(batch)))
    return dict(rows)


@pytest.fixture(scope="module")
def source(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All real trajectories, in a folder that may be changed."""
    folder = tmp_path_factory.mktemp("source") / "trajectories"
    shutil.copytree(shared / "trajectories", folder)
    return folder


@pytest.fixture(scope="module")
def platform(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple]:
    """A platform into which two data sets were ingested, what was printed, an open session."""
    home = Home(tmp_path_factory.mktemp("platform") / "home")
    told = [srft(home, "ingest", str(source / "mini-swe-agent-v1"), "--batch", "mini")]
    with open_session(home) as session:
        assert ask(session, "SELECT count(*) FROM trajectories") == "[(60,)]"
        told.append(srft(home, "ingest", str(source / "openhands-v0.15"), "--batch", "openhands"))
        yield home, told, session


def roles(home: Home) -> dict[str, set[str]]:
    """Files by what ingest took them for. A file may hold rows of several batches."""
    found: dict[str, set[str]] = {}
    for one in manifests(home):
        found.setdefault("runs", set()).update(item.path for item in one.items)
        found.setdefault("reports", set()).update(report.path for report in one.reports)
        found.setdefault("predictions", set()).update(ref.path for ref in one.predictions)
        found.setdefault("refused", set()).update(ref.path for ref in one.refused)
        evidence = {ref.path for report in one.reports for ref in report.evidence}
        found.setdefault("evidence", set()).update(evidence)
    return found


def test_mini_swe_agent_60_runs_30_resolved_30_unresolved(platform):
    home, told, session = platform
    assert "batch mini: 60 runs" in told[0]
    assert "30 resolved, 30 unresolved" in told[0]
    statuses = statuses_of(session, "mini")
    assert statuses == {"resolved": 30, "unresolved": 30}
    assert Warehouse(home.warehouse).read("trajectories", "mini").height == 60


def test_openhands_25_runs_11_resolved_as_an_open_session_sees_at_once(platform):
    _, told, session = platform
    assert "batch openhands: 25 runs" in told[1]
    statuses = statuses_of(session, "openhands")
    assert statuses == {"resolved": 11, "unresolved": 13, "unknown": 1}


def test_ingest_again_makes_nothing(platform, source):
    home, _, _ = platform
    before = state(home)
    times = {path: path.stat().st_mtime_ns for path in home.warehouse.rglob("*.parquet")}
    told = srft(home, "ingest", str(source / "mini-swe-agent-v1"), "--batch", "mini")
    assert "Nothing to make: all 2 partitions are in sync." in told
    assert "batch mini: 60 runs" in told
    assert state(home) == before
    assert {path: path.stat().st_mtime_ns for path in home.warehouse.rglob("*.parquet")} == times


def test_verdicts_cover_every_step_and_stats_prints_label_shares(platform):
    home, _, session = platform
    told = srft(home, "apply", "step_verdicts/rules")
    assert "made step_verdicts/rules: mini, openhands" in told
    steps = ask(session, "SELECT count(*) FROM steps")
    assert ask(session, "SELECT count(*) FROM step_verdicts WHERE critic = 'rules'") == steps
    shown = srft(home, "stats")
    for label in ("good", "mistake", "recover", "unnecessary"):
        assert label in shown


def test_a_changed_file_makes_exactly_its_batch_again(platform, source, tmp_path):
    home, _, session = platform
    shutil.copytree(home.root, tmp_path / "home")
    copy = Home(tmp_path / "home")
    before = state(copy)
    changed = sorted((source / "openhands-v0.15" / "completions").iterdir())[0]
    content = changed.read_bytes()
    try:
        changed.write_bytes(content.replace(b"the", b"The", 1))
        told = srft(copy, "ingest", str(source / "openhands-v0.15"), "--batch", "openhands")
    finally:
        changed.write_bytes(content)
    assert "made trajectories: openhands" in told
    assert "mini" not in told
    after = state(copy)
    differing = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert "trajectories/openhands.parquet" in differing
    assert all("openhands" in name for name in differing)
    assert ask(session, "SELECT count(*) FROM trajectories") == "[(85,)]"


def test_every_file_is_taken_or_refused_exactly_once(source, tmp_path):
    home = Home(tmp_path / "home")
    told = srft(home, "ingest", str(source), "--batch", "everything")
    there = {
        str(path.relative_to(source))
        for folder, _, names in os.walk(source)
        for path in (Path(folder) / name for name in names)
    }
    counts = Counter(path for paths in roles(home).values() for path in paths)
    assert set(counts) == there
    assert [path for path, count in counts.items() if count != 1] == []
    stamps = [Warehouse(home.warehouse).stamp("trajectories", one.batch) for one in manifests(home)]
    refused = [refusal for stamp in stamps if stamp for refusal in stamp.refused]
    assert all(refusal.reason for refusal in refused)
    rows = sum(one.rows for one in manifests(home))
    runs = sum(stamp.rows for stamp in stamps if stamp)
    by_row = [refusal for refusal in refused if refusal.source not in roles(home)["refused"]]
    assert runs + len(by_row) == rows
    assert f"{len(roles(home)['runs'])} of runs" in told
