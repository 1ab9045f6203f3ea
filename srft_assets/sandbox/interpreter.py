"""The Python that commands in a sandbox find as `python` and `python3`."""

import sys
from functools import cache
from pathlib import Path


@cache
def base_interpreter() -> tuple[Path, Path]:
    """Prefix and program of the Python that this process runs on, outside any venv."""
    prefix = Path(sys.base_prefix)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for name in (version, "python3", "python"):
        program = prefix / "bin" / name
        if program.exists():
            return prefix, program
    return prefix, Path(sys.executable).resolve()
