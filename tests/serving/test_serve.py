"""A server is started, waited for, and ended with all it started."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from srft_assets.errors import SrftError
from srft_assets.serving.server import lacks, serve
from tests.serving.conftest import MakeSpec, gone, members

PARENT = """
import os, sys, time
from pathlib import Path
from srft_assets.serving.server import serve
from srft_assets.serving import ServerSpec

with serve(ServerSpec.model_validate_json(sys.argv[1]), Path(sys.argv[2])):
    if "FORK" in os.environ and not os.fork():
        Path(os.environ["FORK"]).write_text(str(os.getpid()))
        time.sleep(600)
    print("serving", flush=True)
    time.sleep(600)
"""


def serving_parent(spec: MakeSpec, log: Path, **env: str) -> subprocess.Popen[str]:
    """Another Python that holds a server with three stubborn workers."""
    stated = spec({"STUBBORN": "1"}).model_dump_json()
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, stated, str(log)],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "serving\n"
    return parent


def test_it_answers_under_a_key_of_its_own(spec: MakeSpec, family: Path, tmp_path: Path) -> None:
    with serve(spec({"DELAY": "0.5"}), tmp_path / "log") as served:
        url = served.base_url.removesuffix("/v1")
        assert lacks(url, served.api_key or "", ["tiny"]) == ""
        assert lacks(url, "another key", ["tiny"]) == "/v1/models answers 401"
        assert served.process_id is not None
        assert served.models == ("tiny",)
        server = psutil.Process(served.process_id)
        assert served.api_key not in " ".join(server.cmdline() + server.parent().cmdline())
        assert served.api_key not in repr(served)
        assert os.getsid(served.process_id) != os.getsid(0)
    assert gone(family, 1, 0)


def test_two_starts_have_two_keys_and_two_ports(spec: MakeSpec, tmp_path: Path) -> None:
    with serve(spec(), tmp_path / "1") as one, serve(spec(), tmp_path / "2") as two:
        assert one.api_key != two.api_key
        assert one.base_url != two.base_url


def test_adapters_must_be_listed_too(spec: MakeSpec, tmp_path: Path) -> None:
    lora = {"careful": "adapter"}
    with serve(spec({"NAMES": "tiny,careful"}, lora_modules=lora), tmp_path / "log") as served:
        assert served.models == ("tiny", "careful")
    lacking = spec({"NAMES": "tiny"}, lora_modules=lora, start_timeout=1)
    with (
        pytest.raises(SrftError, match=r"/v1/models lists tiny, not careful"),
        serve(lacking, tmp_path / "log"),
    ):
        pass


@pytest.mark.parametrize("env", [{}, {"STUBBORN": "1"}])
def test_nothing_is_left_when_the_body_fails(
    env: dict[str, str], spec: MakeSpec, family: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt), serve(spec(env), tmp_path / "log"):
        assert members(family)
        raise KeyboardInterrupt
    assert gone(family, 4 if env else 1, 0)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_parent_is_killed(
    number: signal.Signals, spec: MakeSpec, family: Path, tmp_path: Path
) -> None:
    parent = serving_parent(spec, tmp_path / "log")
    assert len(members(family)) == 3
    parent.send_signal(number)
    parent.wait(20)
    assert gone(family, 4)


def test_a_fork_of_a_killed_parent_does_not_keep_the_server(
    spec: MakeSpec, family: Path, tmp_path: Path
) -> None:
    fork = tmp_path / "fork"
    parent = serving_parent(spec, tmp_path / "log", FORK=str(fork))
    parent.kill()
    parent.wait(20)
    try:
        assert gone(family, 4)
    finally:
        os.kill(int(fork.read_text()), signal.SIGKILL)


def test_nothing_is_left_when_the_server_ends_by_itself(
    spec: MakeSpec, family: Path, tmp_path: Path
) -> None:
    with serve(spec({"STUBBORN": "1"}), tmp_path / "log") as served:
        os.kill(served.process_id or 0, signal.SIGKILL)
        assert gone(family, 4, 5)


def test_the_guard_killed_takes_the_server_along(
    spec: MakeSpec, family: Path, tmp_path: Path
) -> None:
    with serve(spec(), tmp_path / "log") as served:
        psutil.Process(served.process_id).parent().kill()
        assert gone(family, 1, 5)


def test_the_log_keeps_earlier_starts_and_is_for_its_owner(spec: MakeSpec, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "log"
    for _ in range(2):
        with serve(spec(), log):
            pass
    assert log.read_text().count("the key is") == 2
    assert log.stat().st_mode & 0o077 == 0


def test_waiting_is_told(spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("srft_assets.serving.server.TELL_SECONDS", 0.3)
    told: list[str] = []
    with serve(spec({"DELAY": "1"}), tmp_path / "log", told.append) as served:
        assert told
        assert "tiny starts, " in told[0]
        assert json.dumps(told).count(served.api_key or "") == 0
