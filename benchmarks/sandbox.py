"""What the sandbox costs: its start against a bare `bash -c true`, in one run.

python benchmarks/sandbox.py [--runs 50]
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
from srft_assets.sandbox.unsafe import UnsafeSandbox


def measure(runs: int) -> dict[str, float | str]:
    """Medians in milliseconds, taken in turns so that load of the machine meets all alike."""
    sandbox, plain = open_sandbox(), UnsafeSandbox()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subjects: dict[str, Callable[[], object]] = {
            "bare": lambda: subprocess.run(["/bin/bash", "-c", "true"], check=True),
            "unsafe": lambda: plain.run("true", workdir=folder),
            "sandbox": lambda: sandbox.run("true", workdir=folder),
            "sandbox_python": lambda: sandbox.run("python -c pass", workdir=folder),
        }
        times: dict[str, list[float]] = {subject: [] for subject in subjects}
        for _ in range(runs):
            for subject, call in subjects.items():
                began = time.perf_counter()
                call()
                times[subject].append((time.perf_counter() - began) * 1000)
    medians = {f"{subject}_ms": statistics.median(each) for subject, each in times.items()}
    ratio = medians["sandbox_ms"] / medians["bare_ms"]
    return {"sandbox": sandbox_status(), **medians, "ratio_to_bare": ratio}


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50)
    figures = measure(parser.parse_args().runs)
    rounded = {k: round(v, 1) if isinstance(v, float) else v for k, v in figures.items()}
    print(json.dumps(rounded, indent=2))


if __name__ == "__main__":
    main()
