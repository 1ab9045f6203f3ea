"""Virtual environments: what the tests of one release need, without the release itself.

They are filled by pip in a sandbox: what builds a release without a wheel is code of that release.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox import Limits, SandboxError, open_sandbox
from srft_assets.sandbox.shell import base_interpreter
from srft_sdists.build import Cache, NotBuiltError, last_line, run, short
from srft_sdists.recipes import Recipe, recipe_of

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


LAST_PIP = {"3.6": "pip<22", "3.7": "pip<24.1", "3.8": "pip<25.1", "3.9": "pip<26"}
"""What an old Python can run; not every index says so."""
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


LIMITS = Limits(wall_seconds=1800, cpu_seconds=7200, memory_mb=8192, file_mb=1024, processes=512)
SETTINGS = re.compile(r"PIP_|[A-Za-z]+_PROXY|SSL_CERT_|REQUESTS_CA_BUNDLE$|XDG_CONFIG|HOME$", re.I)
"""Variables that tell pip where packages are; no other of this process is there."""
PIP_CONFIG = "PIP_CONFIG_FILE"
PIP_CONFIGS = (
    *("/etc/pip.conf", "/etc/xdg/pip/pip.conf"),
    *("~/.config/pip/pip.conf", "~/.pip/pip.conf"),
)
PATHS = re.compile(r"(?<![\w.:/])(file://)?(/[^\s'\",]+)")


@dataclass(frozen=True, slots=True)
class Installer:
    """The pip of a virtual environment.

    It and all that it starts reads the system, `readable`, and what pip's settings name, and writes
    one folder. The network is there, as pip needs it.
    """

    python: Path
    readable: tuple[Path, ...]

    def run(self, *words: str, folder: Path) -> None:
        """Run `pip words`, which may write `folder`, in bounds.

        Raises NotBuiltError with the end of what it said, SandboxMissingError where this machine
        has no sandbox.
        """
        sandbox = open_sandbox(readonly=self.readable, installing=True)
        named = {name: value for name, value in os.environ.items() if SETTINGS.match(name)}
        env = {**named, "PATH": f"{self.python.parent}:{SYSTEM_PATH}"}
        command = shlex.join([str(self.python), "-m", "pip", *words])
        name = f"pip {words[0]}"
        try:
            done = sandbox.run(command, workdir=folder, limits=LIMITS, env=env)
        except SandboxError as error:
            raise NotBuiltError(f"{name}: {error}") from None
        if done.stopped:
            raise NotBuiltError(f"{name} was ended: {done.stopped}")
        if done.returncode:
            raise NotBuiltError(f"{name} failed: {last_line(done.output)}")


def new_environment(folder: Path, interpreter: Interpreter) -> Installer:
    """Make a virtual environment in `folder`. Raises NotBuiltError."""
    run([interpreter.program, "-m", "venv", folder])
    return installer_of(folder, interpreter)


def installer_of(folder: Path, interpreter: Interpreter) -> Installer:
    """The pip of an environment in which nothing of a release was ever installed."""
    python = folder / "bin" / "python"
    told = run([python, "-m", "pip", "config", "list"])
    # The pages of an index in files link to what lies beside it.
    found = [(Path(path), bool(index)) for index, path in PATHS.findall(told)]
    named = {path for path, _ in found} | {path.parent for path, index in found if index}
    named.update(Path(file).expanduser() for file in (*PIP_CONFIGS, os.environ.get(PIP_CONFIG, "")))
    private = {Path.home(), *Path.home().parents}
    shown = sorted(path for path in named - private if path.is_absolute() and path.exists())
    return Installer(python, (interpreter.prefix, folder, *shown))


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment, and the Python that it belongs to."""

    folder: Path
    interpreter: Interpreter

    @property
    def python(self) -> Path:
        """Its `python`."""
        return self.folder / "bin" / "python"

    @property
    def readonly(self) -> tuple[Path, ...]:
        """Folders that a sandbox must show."""
        return (self.interpreter.prefix, self.folder)

    @property
    def path(self) -> str:
        """PATH of commands in it."""
        return f"{self.folder / 'bin'}:{SYSTEM_PATH}"


def environment_of(task: TaskInstance, release: str, cache: Cache) -> Environment:
    """The environment for a task, made where it is absent.

    `release` is the version whose own requirements are taken; the release itself is removed
    again, so that nothing of the solution is in reach. Raises NotBuiltError.
    """
    recipe, wanted = recipe_of(task), recipe_of(task).environment(task)
    interpreter = best_interpreter(wanted.python)
    requires = [*recipe.requires, *wanted.requires]

    def make(folder: Path) -> None:
        _make(folder, interpreter, recipe, release, requires)

    key = short([interpreter.version, str(interpreter.program), *requires])
    name = f"{recipe.project}-{release}-py{interpreter.version}-{key}"
    return Environment(cache.folder("environments", name, make), interpreter)


def _make(
    folder: Path, interpreter: Interpreter, recipe: Recipe, release: str, requires: Sequence[str]
) -> None:
    pip = new_environment(folder, interpreter)
    pip.run(
        "install", "--quiet", "--upgrade", LAST_PIP.get(interpreter.version, "pip"), folder=folder
    )
    own = f"{recipe.project}=={release}"
    pip.run("install", "--quiet", "--prefer-binary", own, *requires, folder=folder)
    # Only what it needs is wanted; for pytest, its own tests bring it along.
    pip.run("uninstall", "--quiet", "--yes", recipe.project, folder=folder)
