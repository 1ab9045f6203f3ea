"""`srft dev` on a copy of the project, whose prompts a test may edit."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from srft_assets.home import CHECKOUT, Home
from tests.ui.browser import LOCATIONS, Browser

PROGRAM = [sys.executable, "-c", "from srft_assets.cli import main; main()"]
PARTS = ("srft_assets", "sql", "pyproject.toml", "dagster_home/dagster.yaml")
START_SECONDS = 150
STARTS = 2
"""One start in eleven dies with its daemon."""


@dataclass(frozen=True)
class Project:
    """A copy of the code, and the platform on which it works."""

    root: Path
    home: Home
    environment: dict[str, str]

    def copy(self) -> None:
        """Put the code there, times included, so that compiled files stay valid."""
        for part in PARTS:
            source, target = CHECKOUT / part, self.root / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copyfile(source, target)

    def edit_prompt(self, critic: str, old: str, new: str) -> None:
        """Replace one word of a critic's prompt."""
        path = self.root / "srft_assets" / "defs" / "critics" / critic / "prompt.md"
        words = path.read_text()
        assert words.count(old) >= 1, words
        path.write_text(words.replace(old, new, 1))

    def start(self, *words: str, output: int | object) -> subprocess.Popen:
        """`srft …` from the copy, in a session of its own."""
        return subprocess.Popen(
            [*PROGRAM, *words],
            cwd=self.root,
            env={
                **os.environ,
                "PYTHONPATH": str(self.root),
                "SRFT_HOME": str(self.home.root),
                "COLUMNS": "200",
                **self.environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=output,  # type: ignore[arg-type]
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def srft(self, *words: str) -> str:
        """Run `srft …` to its end; what it printed. Fails the test where it fails."""
        process = self.start(*words, output=subprocess.PIPE)
        printed, _ = process.communicate(timeout=200)
        assert process.returncode == 0, printed
        return printed

    def dev(self, log: Path) -> "Dev | None":
        """The UI, opened; None where it died or did not load in time."""
        browser = Browser(free_port())
        with log.open("a") as file:
            process = self.start("dev", "--port", str(browser.port), output=file)
        opened = Dev(process, browser)
        if opened.comes_up():
            return opened
        opened.stop()
        return None


@dataclass(frozen=True)
class Dev:
    """A UI with its daemon."""

    process: subprocess.Popen
    browser: Browser

    def comes_up(self) -> bool:
        """Whether it serves the code location before its time is over."""
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            if self.browser.is_answered():
                entries = self.browser.ask(LOCATIONS)["locationEntries"]
                if entries and all(entry["loadStatus"] == "LOADED" for entry in entries):
                    return True
            time.sleep(0.5)
        return False

    def stop(self) -> set[int]:
        """Ctrl-C; the processes that outlive it by much, which are then ended."""
        if self.process.poll() is not None:
            return set()
        whole = psutil.Process(self.process.pid)
        processes = [whole, *whole.children(recursive=True)]
        os.killpg(self.process.pid, signal.SIGINT)
        _, left = psutil.wait_procs(processes, timeout=90)
        for one in left:
            one.kill()
        self.process.wait()
        return {one.pid for one in left}


def opened(project: Project, log: Path) -> Dev:
    """The UI of the project, opened. Fails the test where it does not come up."""
    for _ in range(STARTS):
        if dev := project.dev(log):
            return dev
    pytest.fail(f"no UI after {STARTS} starts:\n{log.read_text()[-4000:]}")


def until(found: Callable[[], Any], seconds: float = 150) -> Any:
    """What is found in time."""
    deadline = time.monotonic() + seconds
    while not (value := found()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return value


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return some.getsockname()[1]
