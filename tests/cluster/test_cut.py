"""A host whose network is cut in the middle of a write, and comes back when another has written."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from srft_assets.home import Home
from tests import postgres
from tests.cluster import gluster
from tests.platform.test_turns import ASSET, MAKER, ended, made

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture
def far(volume: tuple[Path, Path]) -> Iterator[gluster.Far]:
    with gluster.far() as client:
        yield client


@pytest.fixture(autouse=True)
def _database(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if postgres.PROGRAMS is None:
        pytest.skip(postgres.ABSENT)
    with postgres.server() as socket:
        monkeypatch.setenv("SRFT_DATABASE", postgres.new_database(socket))
        yield


def test_the_other_takes_over_and_nothing_of_it_is_overwritten(
    volume: tuple[Path, Path], far: gluster.Far, tmp_path: Path
) -> None:
    home = Home(volume[0] / tmp_path.name)
    home.root.mkdir()
    there = far.mount / tmp_path.name
    late = subprocess.Popen(
        [sys.executable, "-c", MAKER, str(there), "rename"], stdout=subprocess.PIPE, text=True
    )
    os.waitid(os.P_PID, late.pid, os.WSTOPPED)
    far.cut()
    # The file server frees the lock of a client that it does not hear of.
    assert ended(home, 2, waits=True).how == "made"
    far.mend()
    os.kill(late.pid, signal.SIGCONT)
    told = late.communicate(timeout=120)[0]
    assert told.startswith(f"failed {ASSET}/a: while this host was away another one began to make")
    rows, stamp = made(home)
    assert (rows, stamp.turn) == ([2], 2)
    assert made(Home(there)) == (rows, stamp)
    assert list(home.warehouse.rglob("*.tmp")) == []
