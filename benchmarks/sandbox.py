"""What the sandbox costs: its start, and a command in it against a bare `bash -c true`.

python benchmarks/sandbox.py [--runs 50]

Every command starts a sandbox of its own: `start_ms` is one with `true` in it (aim 50 ms),
`overhead_ms` what it takes beyond the bare command (aim 20 ms). `open_ms` is paid once a process:
bubblewrap is looked for and tried with Python. Medians of one run, taken in turns; `bare_ms` is 1
to 2 ms on an idle machine, more says how loaded it was.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from srft_assets.sandbox import open_sandbox, sandbox_status
from srft_assets.sandbox.detection import UnsafeSandbox, probe


def measure(runs: int) -> dict[str, float | str | bool]:
    """Medians in milliseconds, taken in turns so that load of the machine meets all alike."""
    sandbox, plain = open_sandbox(), UnsafeSandbox()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subjects: dict[str, Callable[[], object]] = {
            "bare": lambda: subprocess.run(["/bin/bash", "-c", "true"], check=True),
            "open": _open_anew,
            "unsafe": lambda: plain.run("true", workdir=folder),
            "start": lambda: sandbox.run("true", workdir=folder),
            "sandbox_python": lambda: sandbox.run("python -c pass", workdir=folder),
        }
        times: dict[str, list[float]] = {subject: [] for subject in subjects}
        for _ in range(runs):
            for subject, call in subjects.items():
                began = time.perf_counter()
                call()
                times[subject].append((time.perf_counter() - began) * 1000)
    medians = {f"{subject}_ms": statistics.median(each) for subject, each in times.items()}
    overhead = medians["start_ms"] - medians["bare_ms"]
    ratio = medians["start_ms"] / medians["bare_ms"]
    return {
        "sandbox": sandbox_status(),
        **medians,
        "overhead_ms": overhead,
        "ratio_to_bare": ratio,
        "start_under_50_ms": medians["start_ms"] < 50,
        "overhead_under_20_ms": overhead < 20,
    }


def _open_anew() -> None:
    probe.cache_clear()
    open_sandbox()


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50)
    figures = measure(parser.parse_args().runs)
    rounded = {k: round(v, 1) if isinstance(v, float) else v for k, v in figures.items()}
    print(json.dumps(rounded, indent=2))


if __name__ == "__main__":
    main()
