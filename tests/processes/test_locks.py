"""Whoever makes a partition holds it; the kernel frees what a killed process held."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from srft_assets.home import Home
from srft_assets.processes.locks import partition_turn

HOLDER = """
import sys, time
from pathlib import Path
from srft_assets.home import Home
from srft_assets.processes.locks import partition_turn

with partition_turn(Home(Path(sys.argv[1])), "step_verdicts/c", sys.argv[2], lambda note: None):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def holder(home: Home, partition: str = "a") -> Iterator[subprocess.Popen]:
    """Another process that holds a partition until it is told a line."""
    command = [sys.executable, "-c", HOLDER, str(home.root), partition]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


class Waiting:
    """Somebody of this process who wants the partition."""

    def __init__(self, home: Home, partition: str = "a") -> None:
        self.told: list[str] = []
        self.had = threading.Event()
        self.thread = threading.Thread(target=self._wait, args=(home, partition))
        self.thread.start()

    def _wait(self, home: Home, partition: str) -> None:
        with partition_turn(home, "step_verdicts/c", partition, self.told.append):
            self.had.set()


def test_who_waits_is_told_for_whom_once_and_has_its_turn_after(home):
    with holder(home) as process:
        waiting = Waiting(home)
        assert not waiting.had.wait(0.7)
        (note,) = waiting.told
        assert note.startswith(f"waits for process {process.pid} on ")
        process.communicate("go\n")
        assert waiting.had.wait(5)
        waiting.thread.join()


def test_a_killed_holder_holds_nothing(home):
    with holder(home) as process:
        waiting = Waiting(home)
        assert not waiting.had.wait(0.3)
        os.kill(process.pid, signal.SIGKILL)
        assert waiting.had.wait(5)
        waiting.thread.join()


def test_other_partitions_do_not_wait(home):
    with holder(home, "a"):
        with partition_turn(home, "step_verdicts/c", "b", pytest.fail):
            pass
        with partition_turn(home, "step_verdicts/d", "a", pytest.fail):
            pass


def test_a_failure_gives_the_turn_back_and_names_nobody_any_more(home):
    with pytest.raises(ZeroDivisionError), partition_turn(home, "one", "a", pytest.fail):
        raise ZeroDivisionError
    with partition_turn(home, "one", "a", pytest.fail):
        assert list(home.warehouse.rglob("*.holder")) != []
    assert list(home.warehouse.rglob("*.holder")) == []
