"""A server behind a prefix is one for all runs, on any host, and ends with its last user."""

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.serving.server import Served, SharedServer, ended, lacks, last_line
from srft_assets.serving.shared_server import shared_behind
from tests.serving.conftest import MakeSpec, gone, members

ENV = ["env"]
USER = """
import sys
from pathlib import Path
from srft_assets.home import Home
from srft_assets.serving import ServerSpec
from srft_assets.serving.shared_server import shared_behind
home, spec = Home(Path(sys.argv[1])), ServerSpec.model_validate_json(sys.argv[2])
with shared_behind(["env"], spec, home, print) as served:
    print(served.base_url, served.api_key, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def _platform(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRFT_HOME", str(home.root))


class User:
    """Another process that uses the server."""

    def __init__(self, home: Home, stated: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(home.root), stated],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.told = self.process.stdout.readline()

    def killed(self) -> None:
        self.process.kill()
        self.process.communicate()


def test_all_ask_one_server_which_ends_with_the_last(
    spec: MakeSpec, family: Path, home: Home
) -> None:
    with ExitStack() as first:
        one = first.enter_context(shared_behind(ENV, spec(), home, print))
        with shared_behind(ENV, spec(), home, print) as other:
            assert (other.base_url, other.api_key) == (one.base_url, one.api_key)
            assert len(members(family)) == 1
            first.close()
            url = other.base_url.removesuffix("/v1")
            assert other.api_key and lacks(url, other.api_key, other.models) == ""
    assert gone(family, 1, 20)
    with shared_behind(ENV, spec(), home, print) as again:
        assert again.api_key != one.api_key
    assert gone(family, 2, 20)


def test_users_that_are_killed_use_it_no_more(spec: MakeSpec, family: Path, home: Home) -> None:
    stated = spec().model_dump_json()
    first, second = User(home, stated), User(home, stated)
    assert first.told == second.told != ""
    first.killed()
    url, key = second.told.split()
    assert lacks(url.removesuffix("/v1"), key, spec().names) == "", "who started it may die"
    second.killed()
    assert gone(family, 1, 20)


def test_where_it_ended_the_next_who_asks_starts_it(
    spec: MakeSpec, family: Path, home: Home
) -> None:
    shared = SharedServer(lambda: shared_behind(ENV, spec(), home, print))
    with shared.open() as served:
        (server,) = members(family)
        server.kill()
    until_lost(served)
    with shared.open() as again:
        url = again.base_url.removesuffix("/v1")
        assert again.api_key and lacks(url, again.api_key, again.models) == ""
    shared.close()
    assert gone(family, 2, 20)


def until_lost(served: Served) -> None:
    end = time.monotonic() + 30
    while not ended(served):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_why_it_did_not_start_is_told_to_who_asks(spec: MakeSpec, home: Home) -> None:
    dies = spec({"DIES": "RuntimeError: CUDA out of memory"})
    for _ in range(2):
        with (
            pytest.raises(SrftError, match=r"ended with exit code 1 .* out of memory: lower gpu_m"),
            shared_behind(ENV, dies, home, print),
        ):
            pass


def test_a_start_that_fails_is_not_explained_by_an_earlier_one(
    spec: MakeSpec, home: Home, family: Path
) -> None:
    dies = spec({"DIES": "RuntimeError: CUDA out of memory"})
    for _ in range(2):
        with pytest.raises(SrftError), shared_behind(ENV, dies, home, print):
            pass
    (log,) = home.logs.glob("critic-server-*.log")
    assert log.read_text().count("CUDA out of memory") == 1


def test_progress_is_told_as_it_was_said_where_there_is_no_secret(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("loads shard 1 of key\n")
    assert last_line(log, "") == "loads shard 1 of key"
    assert last_line(log, "key") == "loads shard 1 of ***"
