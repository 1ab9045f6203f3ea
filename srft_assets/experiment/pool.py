"""Cells shared out to worker processes that stay for many of them: to start one takes 10 s."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import orjson

from srft_assets.child import python
from srft_assets.errors import SrftError
from srft_assets.experiment.design import Cell

MODULE = "srft_assets.experiment.worker"
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
"""One thread a worker: so weights do not depend on how many there are."""

News = Callable[[int, dict[str, Any]], None]
"""Hears what a worker (its number) says."""


def run_cells(cells: Sequence[Cell], bench: Path, workers: int, news: News) -> None:
    """Run all cells; each leaves its file. Raises SrftError where a worker fails.

    However this call is left, the workers end with it.
    """
    waiting: SimpleQueue[Cell] = SimpleQueue()
    for cell in cells:
        waiting.put(cell)
    processes: list[subprocess.Popen[bytes]] = []
    with (
        tempfile.TemporaryDirectory(prefix="srft-lab-") as logs,
        ThreadPoolExecutor(max(1, workers)) as pool,
    ):
        try:
            for number in range(min(workers, len(cells))):
                processes.append(_start(bench, Path(logs) / f"{number}.log"))
            drives = [
                pool.submit(_drive, number, process, waiting, news, Path(logs) / f"{number}.log")
                for number, process in enumerate(processes)
            ]
            for drive in wait(drives, return_when=FIRST_EXCEPTION).done:
                drive.result()
        finally:
            for process in processes:
                process.kill()
                process.wait()


def _start(bench: Path, log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as errors:
        return subprocess.Popen(
            python(MODULE, str(bench)),
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )


def _drive(
    number: int,
    process: "subprocess.Popen[bytes]",
    waiting: "SimpleQueue[Cell]",
    news: News,
    log: Path,
) -> None:
    """Hand one worker a cell after the other until there is none."""
    assert process.stdin is not None and process.stdout is not None
    while True:
        try:
            cell = waiting.get_nowait()
        except Empty:
            return
        try:
            process.stdin.write(cell.model_dump_json().encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise _failure(process, log) from None
        for line in process.stdout:
            said = orjson.loads(line)
            news(number, said)
            if said.get("finished"):
                break
        else:
            raise _failure(process, log)


def _failure(process: "subprocess.Popen[bytes]", log: Path) -> SrftError:
    code = process.wait()
    lines = [one for one in log.read_text(errors="replace").splitlines() if one.strip()]
    stated = [one.removeprefix("error: ") for one in lines if one.startswith("error: ")]
    told = stated[0] if stated else (lines[-1][:300] if lines else "it printed nothing")
    return SrftError(f"a worker of the experiment failed (exit code {code}): {told}")
