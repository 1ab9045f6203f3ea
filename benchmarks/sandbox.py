"""What the sandbox costs: its start, and a command in it against a bare `bash -c true`.

python benchmarks/sandbox.py [--runs 50]

A run enters one sandbox: `enter_ms` is that with an empty folder and its end, `inside_ms` a
command `true` in it. `start_ms` is a command in a sandbox of its own. `bwrap_ms` is bubblewrap
alone with the arguments of `start`, the filter among them; `enter_ratio`, `inside_ratio` and
`start_ratio` are ratios to it (aim 1.5). `open_ms` is paid once a process: bubblewrap is looked for
and tried with Python. Medians of one run, taken in turns; `bare_ms` is 1 to 2 ms on an idle
machine, more says how loaded it was.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from srft_assets.sandbox import Limits, Sandbox, UnsafeSandbox, open_sandbox, probe, sandbox_status
from srft_assets.sandbox.shell import environment, filter_handle, shell_argv


def measure(runs: int) -> dict[str, float | str | bool]:
    """Medians in milliseconds, taken in turns so that load of the machine meets all alike."""
    sandbox, plain = open_sandbox(), UnsafeSandbox()
    with tempfile.TemporaryDirectory() as name, sandbox.entered(Path(name)) as inside:
        folder = Path(name)
        subjects: dict[str, Callable[[], object]] = {
            "bare": lambda: subprocess.run(["/bin/bash", "-c", "true"], check=True),
            "open": _open_anew,
            "unsafe": lambda: plain.run("true", workdir=folder),
            "bwrap": lambda: _bare(folder),
            "enter": lambda: _enter(sandbox, folder),
            "inside": lambda: inside.run("true", workdir=folder),
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
    bare = medians["bwrap_ms"]
    ratios = {f"{one}_ratio": medians[f"{one}_ms"] / bare for one in ("enter", "inside", "start")}
    return {"sandbox": sandbox_status(), **medians, **ratios}


def _bare(folder: Path) -> None:
    with filter_handle() as calls:
        argv = arguments(folder, calls)
        subprocess.run(argv, check=True, env={}, pass_fds=calls)


def arguments(folder: Path, calls: Sequence[int] = ()) -> list[str]:
    """Bubblewrap's own, for `true` in the folder; `calls`: the handle of the filter."""
    found = probe().sandbox
    assert found is not None
    limits = Limits()
    program = shell_argv("true", limits, own_namespace=True)
    mounted = ["--bind", str(folder), "/testbed"]
    return found._argv(program, mounted, limits, environment([]), calls)


def _enter(sandbox: Sandbox, folder: Path) -> None:
    with sandbox.entered(folder):
        pass


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
