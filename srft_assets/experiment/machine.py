"""Where and from what the experiment was made, for the report."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import srft_assets

PACKAGES = ("srft-assets", "torch", "transformers", "trl", "mini-swe-agent", "polars", "duckdb")


def commit() -> str:
    """The commit of the checkout, and whether files differ from it; `unknown` outside of one."""
    folder = Path(srft_assets.__file__).parent.parent
    try:
        head = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}, with changes" if changed else head


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def versions() -> str:
    """Python and the packages that matter."""
    packages = (f"{name} {version(name)}" for name in PACKAGES)
    return ", ".join([f"Python {platform.python_version()}", *packages])


def machine() -> str:
    """Cores and architecture."""
    cores = len(os.sched_getaffinity(0))
    return f"{cores} {platform.machine()} core{'s' if cores > 1 else ''}, no GPU used"


def duration(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"
