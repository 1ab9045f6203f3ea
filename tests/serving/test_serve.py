"""A server is started, waited for, and ended with all it started."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from srft_assets.errors import SrftError
from srft_assets.serving.probe import lacks
from srft_assets.serving.server import serve
from tests.serving.conftest import MakeSpec, gone, members

PARENT = """
import os, sys, time
from pathlib import Path
from srft_assets.serving.server import serve
from srft_assets.serving.spec import ServerSpec

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


@pytest.mark.parametrize(
    ("printed", "hint"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to", "lower gpu_memory_utilization"),
        (
            "ValueError: Free memory on device cuda:0 (3.1/79.1 GiB) on startup is less than "
            "desired GPU memory utilization (0.9, 71.2 GiB).",
            "lower gpu_memory_utilization",
        ),
        (
            "ValueError: To serve at least one request with the model's max seq len (131072), "
            "(16.0 GiB KV cache is needed, which is larger than the available KV cache memory",
            "lower max_model_len",
        ),
        ("OSError: [Errno 98] Address already in use", "the port is taken"),
        ("ModuleNotFoundError: No module named 'vllm'", r'pip install "srft-assets\[vllm\]"'),
        (
            "OSError: nobody/x is not a local folder and is not a valid model identifier listed",
            "a local folder or a Hub id",
        ),
        ("api_server.py: error: unrecognized arguments: --x", "does not know the argument"),
    ],
)
def test_a_server_that_ends_tells_why(
    printed: str, hint: str, spec: MakeSpec, tmp_path: Path
) -> None:
    with (
        pytest.raises(
            SrftError, match=f"^the server of tiny ended with exit code 1 .*{hint}"
        ) as no,
        serve(spec({"DIES": f"\x1b[31m{printed}"}), tmp_path / "log"),
    ):
        pass
    assert str(no.value).splitlines()[-2:] == ["the key is ***", printed]


def test_the_first_known_error_counts(spec: MakeSpec, tmp_path: Path) -> None:
    printed = "CUDA out of memory\nAddress already in use"
    with (
        pytest.raises(SrftError, match=r"out of memory: lower"),
        serve(spec({"DIES": printed}), tmp_path / "log"),
    ):
        pass


def test_a_server_that_never_answers_is_ended(spec: MakeSpec, family: Path, tmp_path: Path) -> None:
    slow = spec({"DELAY": "600"}, start_timeout=1)
    with (
        pytest.raises(SrftError, match=r"after 1 s \(/health answers 503\): .* start_timeout"),
        serve(slow, tmp_path / "log"),
    ):
        pass
    assert gone(family, 1, 0)


def test_a_program_that_is_not_there(spec: MakeSpec, tmp_path: Path) -> None:
    with (
        pytest.raises(SrftError, match=r"^no-such-vllm is not installed: pip install"),
        serve(spec(command=("no-such-vllm", "serve")), tmp_path / "log"),
    ):
        pass


def test_a_program_beside_this_python_is_found_and_so_are_its_neighbours(
    spec: MakeSpec, family: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `.venv/bin/srft` is called where the environment is not activated."""
    monkeypatch.setattr(sys, "executable", str(folder_with_python(tmp_path / "bin")))
    program = tmp_path / "bin" / "vllm"
    program.write_text('#!/bin/sh\necho "PATH is $PATH"\nexec neighbour\n')
    neighbour = tmp_path / "bin" / "neighbour"
    neighbour.write_text("#!/bin/sh\necho neighbour; exit 1\n")
    for path in (program, neighbour):
        path.chmod(0o755)
    with (
        pytest.raises(SrftError, match=rf"PATH is {tmp_path}/bin:.*\nneighbour$"),
        serve(spec(command=("vllm", "serve")), tmp_path / "log"),
    ):
        pass


def folder_with_python(folder: Path) -> Path:
    """The path of this Python in a folder of its own."""
    folder.mkdir()
    python = folder / "python"
    python.symlink_to(sys.executable)
    return python


def test_a_program_that_cannot_be_run(spec: MakeSpec, tmp_path: Path) -> None:
    program = tmp_path / "vllm"
    program.write_text("#!/no/such/python\n")
    program.chmod(0o755)
    with (
        pytest.raises(SrftError, match=r"could not be started[\s\S]*No such file"),
        serve(spec(command=(str(program),)), tmp_path / "log"),
    ):
        pass


def test_a_taken_port_is_told_before_the_model_is_loaded(
    spec: MakeSpec, family: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(SrftError, match=rf"127.0.0.1 port {port}: .*in use; port 0 takes"),
            serve(spec(port=port), tmp_path / "log"),
        ):
            pass
    assert gone(family, 0, 0)


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


def test_an_unknown_error_is_told_by_its_first_line(spec: MakeSpec, tmp_path: Path) -> None:
    """As vLLM 0.32 prints it: the cause, then what came of it."""
    printed = (
        "WARNING 11-23 03:21:52 [system_utils.py:255] can cause errors like `OSError: Too many`\n"
        "ERROR 11-23 03:22:11 [core.py:1510] AssertionError: Not enough allowed NUMA nodes\n"
        "RuntimeError: Engine core initialization failed. See root cause above."
    )
    said = r"exit code 1 after \d+ s: AssertionError: Not enough allowed NUMA nodes\n"
    with pytest.raises(SrftError, match=said), serve(spec({"DIES": printed}), tmp_path / "log"):
        pass
