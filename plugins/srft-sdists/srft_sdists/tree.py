"""A task's files in a folder: to be graded, with a patch and the tests, or to work in."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from srft_assets.files import scratch
from srft_assets.home import Home
from srft_assets.outcomes.sandbox_grader import GNU_PATCH, SET_UP_FAILED, UNNEST, intruders, is_hook
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox.bubblewrap import TESTBED
from srft_sdists.build import Cache, NotBuiltError
from srft_sdists.environment import environment_of
from srft_sdists.git import NO_CONVERSION, git, not_carried, paths
from srft_sdists.recipes import Recipe, recipe_of
from srft_sdists.source import Source, source_of

UNREADABLE, REFUSED, NOT_SET_UP = 30, 31, 32
"""Exit codes of `patch_script`, beside `SET_UP_FAILED`."""

CHANGED = (
    *("git", "-c", "core.checkStat=minimal", "-c", "core.trustctime=false"),
    *("diff-files", "--name-only", "-z"),
)
"""Lists changed files by size and time: other owners and inodes in a sandbox are no change."""


LITERAL = ("git", "--literal-pathspecs")


def check_out(source: Source, commit: str, tree: Path) -> None:
    """The files of a commit of the source, under git, which borrows the source's objects.

    They are to be seen only where a sandbox shows `source.repository`.
    """
    _init(tree)
    borrowed = tree / ".git" / "objects" / "info" / "alternates"
    borrowed.parent.mkdir(exist_ok=True)
    borrowed.write_text(f"{source.repository / 'objects'}\n")
    git(tree, "reset", "--quiet", "--hard", commit)


def check_out_alone(source: Source, tree: Path) -> None:
    """The base commit in a repository of its own: no object of the solution is in it."""
    _init(tree)
    upload = ("--upload-pack", "git -c uploadpack.allowAnySHA1InWant=true upload-pack")
    git(tree, "fetch", "--quiet", "--depth", "1", *upload, str(source.repository), source.base)
    git(tree, "reset", "--quiet", "--hard", "FETCH_HEAD")
    (tree / ".git" / "FETCH_HEAD").unlink()


def _init(tree: Path) -> None:
    git(tree, "init", "--quiet", "--initial-branch=main", "--template=", ".")
    info = tree / ".git" / "info"
    info.mkdir()
    (info / "exclude").write_text("__pycache__/\n*.pyc\n*.egg-info/\n")
    (info / "attributes").write_text(NO_CONVERSION)


def patch_script(task: TaskInstance, source: Source, recipe: Recipe, patch: str) -> str:
    """Shell script that applies `.git/model.patch`, then puts the tests in place.

    All files of the recipe's test folders, and the hooks of the base commit, come back as they
    were, and those of the test patch as they are graded with; other hooks, and what would be
    imported in a test's stead, are removed.
    """
    absent = not_carried(source.repository, source.base, patch)
    tries = [_apply(absent), _apply(absent, "-C1")]
    if source.kind == "sdist":
        # Edits of tests do not outlive the next step, and need not fit those of a release.
        tries.append(_apply([*absent, *map(_as_glob, recipe.tests)], "-C1"))
    else:
        tries.append(GNU_PATCH)
    lines = [
        f"{' || '.join(tries)} || {{",
        f"[ $? -ne {SET_UP_FAILED} ] || exit {SET_UP_FAILED}",
        f"git apply --numstat .git/model.patch >/dev/null || exit {UNREADABLE}",
        f"exit {REFUSED}; }}",
        f"({_restore(recipe, task, source)}) || exit {NOT_SET_UP}",
    ]
    return "\n".join(lines)


def tests_script(task: TaskInstance, source: Source, recipe: Recipe) -> str:
    """Shell script that only puts the tests in place."""
    return f"({_restore(recipe, task, source)}) || exit {NOT_SET_UP}"


def _apply(left_out: Sequence[str], *options: str) -> str:
    excluded = [f"--exclude={path}" for path in left_out]
    argv = ["git", "apply", "--whitespace=nowarn", *options, *excluded, ".git/model.patch"]
    return shlex.join(argv)


def _as_glob(pathspec: str) -> str:
    """A test folder of a recipe, as the pattern of `git apply`, in which `*` holds slashes."""
    if pathspec.startswith(":(glob)"):
        return pathspec.removeprefix(":(glob)").replace("**", "*")
    return f"{pathspec}/*"


def _restore(recipe: Recipe, task: TaskInstance, source: Source) -> str:
    graded = sorted(paths(task.test_patch))
    listed = git(source.repository, "ls-tree", "--name-only", "-z", source.tests, "--", *graded)
    there = [path for path in graded if path in listed.split("\0")]
    gone = [path for path in graded if path not in there]
    folders = shlex.join([*CHANGED, "--", *recipe.tests])
    # GNU patch sets modes that a patch states.
    steps = [
        "set -o pipefail",
        "chmod -R u+rwX .",
        UNNEST,
        f"{folders} | git checkout-index -q -f -z --stdin",
    ]
    carried = git(source.repository, "ls-tree", "-r", "--name-only", "-z", source.base)
    if hooks := [path for path in carried.split("\0") if is_hook(path)]:
        steps.append(shlex.join([*LITERAL, "checkout", "-q", source.base, "--", *hooks]))
    if gone:
        steps.append(shlex.join(["rm", "-rf", "--", *gone]))
    if there:
        steps.append(shlex.join([*LITERAL, "checkout", "-q", source.tests, "--", *there]))
    steps.append(shlex.join(["git", "clean", "-ffdxq", "--", *intruders(graded)]))
    # Not `set -e`, which bash ignores on the left of `||`.
    return " && ".join(steps)


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
    with scratch("srft-task-") as tree:
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
