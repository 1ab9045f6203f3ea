"""Pythons of this machine, by minor version."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from srft_assets.sandbox.interpreter import base_interpreter

ASK = (
    "import sys, json; print(json.dumps(['%d.%d' % sys.version_info[:2], "
    "getattr(sys, 'base_prefix', sys.prefix), sys.executable]))"
)
MANAGED = ("~/.pyenv/versions/{}.*", "~/.local/share/uv/python/cpython-{}.*")
"""Where pyenv and uv keep theirs."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python: `3.9`, the folder that holds all of it, its program."""

    version: str
    prefix: Path
    program: Path


def best_interpreter(preferred: Sequence[str]) -> Interpreter:
    """The first of the minor versions that this machine has, else the platform's own."""
    found = (interpreter(version) for version in preferred)
    return next((one for one in found if one), None) or own_interpreter()


def own_interpreter() -> Interpreter:
    """That of the platform, outside any venv."""
    prefix, program = base_interpreter()
    return Interpreter(f"{sys.version_info.major}.{sys.version_info.minor}", prefix, program)


@cache
def interpreter(version: str) -> Interpreter | None:
    """A Python of this minor version that can make environments, or None."""
    own = own_interpreter()
    if version == own.version:
        return own
    for program in _candidates(version):
        if found := _ask(program, version):
            return found
    return None


def _candidates(version: str) -> Iterator[Path]:
    name = f"python{version}"
    if on_path := shutil.which(name):
        yield Path(on_path)
    for pattern in MANAGED:
        first, _, rest = str(Path(pattern.format(version)).expanduser()).partition("*")
        folder = Path(first).parent
        matches = folder.glob(f"{Path(first).name}*{rest}") if folder.is_dir() else ()
        yield from sorted((place / "bin" / name for place in matches), key=_numbers, reverse=True)


def _numbers(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(path))]


def _ask(program: Path, version: str) -> Interpreter | None:
    try:
        done = subprocess.run(
            [program, "-c", f"import venv, ensurepip; {ASK}"],
            capture_output=True,
            timeout=30,
            check=True,
        )
        said, prefix, executable = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    if said != version:
        return None
    return Interpreter(version, Path(prefix).resolve(), Path(executable))
