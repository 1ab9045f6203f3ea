"""A model server behind a prefix: it takes a port there, is asked over the network, and ends with
whoever wanted it."""

import subprocess
import sys
from pathlib import Path

import pytest

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.serving.node_server import serve_behind
from srft_assets.serving.server import lacks
from tests.serving.conftest import MakeSpec, gone, members

BARE = ["env", "-i"]
"""Brings nothing of our environment along."""
ASKING = """
import sys, time
from pathlib import Path
from srft_assets.home import Home
from srft_assets.serving import ServerSpec
from srft_assets.serving.node_server import serve_behind
home, spec = Home(Path(sys.argv[1])), ServerSpec.model_validate_json(sys.argv[2])
with serve_behind(["setsid", "--wait"], spec, home, home.logs / "server.log", print):
    print("served", flush=True)
    time.sleep(600)
"""


def test_it_answers_to_its_own_key_alone_and_ends_with_the_block(
    spec: MakeSpec, family: Path, home: Home
) -> None:
    with serve_behind(BARE, spec(), home, home.logs / "server.log", print) as served:
        url = served.base_url.removesuffix("/v1")
        assert served.api_key and lacks(url, served.api_key, served.models) == ""
        assert not url.startswith("http://127.")
        assert len(members(family)) == 1
        (told,) = home.launches.glob("*/job.json")
        assert told.parent.stat().st_mode & 0o077 == 0, "the key is for this account alone"
    assert gone(family, 1)
    assert list(home.launches.iterdir()) == []


def test_it_ends_with_a_process_that_is_killed(spec: MakeSpec, family: Path, home: Home) -> None:
    asking = subprocess.Popen(
        [sys.executable, "-c", ASKING, str(home.root), spec().model_dump_json()],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert asking.stdout is not None and asking.stdout.readline() == "served\n"
    asking.kill()
    asking.communicate()
    assert gone(family, 1, 20)


def test_why_it_did_not_start_is_told(spec: MakeSpec, home: Home) -> None:
    dies = spec({"DIES": "RuntimeError: CUDA out of memory"})
    with (
        pytest.raises(SrftError, match=r"ended with exit code 1 .* out of memory: lower gpu_mem"),
        serve_behind(BARE, dies, home, home.logs / "server.log", print),
    ):
        pass
    absent = spec(command=("no-such-program",))
    with (
        pytest.raises(SrftError, match=r"error: no-such-program is not installed on "),
        serve_behind(BARE, absent, home, home.logs / "other.log", print),
    ):
        pass
