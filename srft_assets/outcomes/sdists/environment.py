"""Virtual environments: what the tests of one release need, without the release itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from srft_assets.outcomes.sdists.cache import Cache, short
from srft_assets.outcomes.sdists.commands import run
from srft_assets.outcomes.sdists.interpreters import Interpreter, best_interpreter
from srft_assets.outcomes.sdists.recipes import Recipe, recipe_of
from srft_assets.outcomes.task import TaskInstance

LAST_PIP = {"3.6": "pip<22", "3.7": "pip<24.1", "3.8": "pip<25.1", "3.9": "pip<26"}
"""What an old Python can run; not every index says so."""
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


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
    run([interpreter.program, "-m", "venv", folder])
    pip = [str(folder / "bin" / "python"), "-m", "pip"]
    run([*pip, "install", "--quiet", "--upgrade", LAST_PIP.get(interpreter.version, "pip")])
    own = f"{recipe.project}=={release}"
    run([*pip, "install", "--quiet", "--prefer-binary", own, *requires])
    # Only what it needs is wanted; for pytest, its own tests bring it along.
    run([*pip, "uninstall", "--quiet", "--yes", recipe.project])
