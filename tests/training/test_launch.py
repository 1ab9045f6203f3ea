"""The subprocess that a stage starts: lines, failures, interrupts."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors import SafetensorError

from srft_assets.errors import SrftError
from srft_assets.processes.launch import launch
from srft_assets.training.main import main, reason_of

WORKER = "setsid bash -c 'echo $$; exec sleep 600' & "
"""A process in a session of its own, as torchrun starts its workers."""
PARENT = f"""
from srft_assets.processes.launch import launch
launch(["bash", "-c", {WORKER + "wait"!r}], {{}})
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] != "Z"


def gone_soon(pid: int) -> bool:
    deadline = time.monotonic() + 15
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def test_lines_come_as_they_are_written_without_control_characters() -> None:
    lines: list[str] = []
    script = r"printf 'one\n\033[31mtwo\033[0m\n'; echo $WHAT >&2"
    launch(["bash", "-c", script], {"WHAT": "three"}, on_line=lines.append)
    assert lines == ["one", " [31mtwo [0m", "three"]


def test_a_failure_tells_the_last_lines() -> None:
    with pytest.raises(SrftError, match=r"bash failed \(exit code 3\): first\nlast"):
        launch(["bash", "-c", "echo first; echo last; exit 3"], {}, on_line=lambda line: None)


def test_a_stated_error_is_told_alone() -> None:
    script = "echo noise; echo 'error: disk full: free some space'; exit 1"
    with pytest.raises(SrftError, match=r"^disk full: free some space$"):
        launch(["bash", "-c", script], {}, on_line=lambda line: None)


def test_of_several_stated_errors_the_first_is_the_cause() -> None:
    script = "echo 'error: out of memory'; seq 30; echo 'error: connection closed'; exit 1"
    with pytest.raises(SrftError, match=r"^out of memory$"):
        launch(["bash", "-c", script], {}, on_line=lambda line: None)


def test_a_kill_is_named() -> None:
    with pytest.raises(SrftError, match=r"killed by SIGKILL, perhaps .* memory"):
        launch(["bash", "-c", "kill -KILL $$"], {})


def test_what_a_command_leaves_behind_is_ended() -> None:
    seen: list[int] = []
    launch(["bash", "-c", WORKER + "sleep 1"], {}, on_line=lambda line: seen.append(int(line)))
    assert gone_soon(seen[0])


def test_a_command_that_is_not_there_is_told() -> None:
    with pytest.raises(SrftError, match=r"cannot start nonesuch: No such file"):
        launch(["nonesuch", "hostname"], {}, on_line=lambda line: None)


def test_an_error_of_the_listener_ends_every_worker() -> None:
    seen: list[int] = []

    def stop(line: str) -> None:
        seen.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(["bash", "-c", WORKER + "wait"], {}, on_line=stop)
    assert gone_soon(seen[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_to_the_parent_ends_every_worker(number: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.send_signal(number)
    parent.communicate()
    assert parent.returncode != 0
    assert gone_soon(worker)


def test_a_wrong_call_exits_2_and_a_bad_job_exits_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 2
    path = tmp_path / "job.json"
    stated = {"base_model": "x", "warehouse": "w", "asset": "a", "parts": [], "order": []}
    path.write_text(json.dumps({**stated, "output": "y", "max_steps": 0}))
    assert main([str(path)]) == 1
    assert main([str(tmp_path / "absent.json")]) == 1
    errors = capsys.readouterr().err.splitlines()[1:]
    assert errors[0].startswith("error: bad job: max_steps: ")
    assert "absent.json" in errors[1]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "lower micro_batch_tokens"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory"),
        (MemoryError(), "out of memory"),
        (OSError(28, "No space left on device"), "disk full"),
        (
            RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 19"),
            "disk full",
        ),
        (SafetensorError("Error while serializing: No space left on device"), "disk full"),
    ],
)
def test_common_failures_are_one_line_with_a_hint(error: Exception, said: str) -> None:
    assert said in (reason_of(error) or "")


def test_an_unknown_failure_keeps_its_traceback() -> None:
    assert reason_of(RuntimeError("something else")) is None
