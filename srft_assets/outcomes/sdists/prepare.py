"""A task's working tree and environment, for an agent to work in or for its tests to run in."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from srft_assets.home import Home
from srft_assets.outcomes.sdists.cache import Cache
from srft_assets.outcomes.sdists.environment import environment_of
from srft_assets.outcomes.sdists.errors import NotBuiltError
from srft_assets.outcomes.sdists.recipes import Recipe, recipe_of
from srft_assets.outcomes.sdists.source import source_of
from srft_assets.outcomes.sdists.tree import check_out_alone
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox.bubblewrap import TESTBED


@dataclass(frozen=True, slots=True)
class Prepared:
    """A task, ready to be worked on.

    Attributes:
        tree: the repository at the commit before the fix; one commit, clean, without remotes,
            and without the hidden tests.
        environment: the virtual environment; nothing of the solution is in it.
        readonly: folders that the sandbox must show: `open_sandbox(readonly=prepared.readonly)`.
        env: environment variables for every command in the sandbox.
        command: how tests are run in this repository, as a hint for the agent; run from the
            root of the tree.
        source: where the files come from, e.g. `Django 3.2a1 (sdist)`.
    """

    tree: Path
    environment: Path
    readonly: tuple[Path, ...]
    env: Mapping[str, str]
    command: str
    source: str


@contextmanager
def prepare(task: TaskInstance, home: Home, mirrors: Path | None = None) -> Iterator[Prepared]:
    """A task's tree, in a temporary folder that is gone afterwards, and its environment.

    The first use of a release downloads it and makes its environment (a minute or two); later
    ones take a second. `mirrors`: see `source_of`. Raises NotBuiltError, which tells why the
    task cannot be had: no recipe, no network, no release that holds the fix.
    """
    cache = Cache.of(home)
    recipe = recipe_of(task)
    source = source_of(task, cache, mirrors)
    if not source.playable:
        raise NotBuiltError(f"the hidden tests cannot be taken out of {source.name}")
    environment = environment_of(task, source.release, cache)
    with tempfile.TemporaryDirectory(prefix="srft-task-", ignore_cleanup_errors=True) as name:
        tree = Path(name)
        check_out_alone(source, tree)
        yield Prepared(
            tree=tree,
            environment=environment.folder,
            readonly=environment.readonly,
            env=variables(recipe, environment.path),
            command=COMMANDS[recipe.runner],
            source=source.name,
        )


COMMANDS = {
    "django": "python tests/runtests.py --settings=test_sqlite --parallel 1 LABEL",
    "pytest": "python -m pytest FILE",
    "sympy": "python -m pytest FILE",
}


def variables(recipe: Recipe, path: str) -> dict[str, str]:
    """Environment variables of a command that works on the tree, seen as `/testbed`."""
    places = [TESTBED if place == "." else f"{TESTBED}/{place}" for place in recipe.path]
    return {"PATH": path, "PYTHONPATH": ":".join(places)}
