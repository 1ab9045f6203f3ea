"""A server that does not start: what is told, and that nothing is left of it."""

import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from srft_assets.errors import SrftError
from srft_assets.serving.server import serve, wait_for
from tests.serving.conftest import MakeSpec, gone


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


def test_time_in_a_queue_for_a_node_is_no_time_of_its_start(tmp_path: Path) -> None:
    spec: Any = SimpleNamespace(start_timeout=0.5, names=(), model="m")
    process: Any = SimpleNamespace(poll=lambda: None)
    log = tmp_path / "server.log"
    log.touch()
    waits = iter(range(5))  # with LOOK_SECONDS between them: longer than the timeout

    def urls() -> list[str]:
        return [] if next(waits, None) is not None else ["http://127.0.0.1:9"]

    with pytest.raises(SrftError, match=r"does not answer after . s \(no answer"):
        wait_for(spec, urls, "key", process, log, lambda line: None)
