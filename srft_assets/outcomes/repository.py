"""A clean copy of a task's repository, a patch applied to it, and its own tests put back."""

import re
import shlex
import shutil
from glob import escape
from pathlib import Path, PurePosixPath

from srft_assets.errors import SrftError
from srft_assets.outcomes import recorder
from srft_assets.outcomes.task import TaskInstance

SET_UP_FAILED, PATCH_REFUSED, TEST_PATCH_REFUSED = 20, 21, 22
"""Exit codes of `apply_script`."""
RECORDER = ".git/recorder.py"
TEST_FILE = re.compile(r"(?:^|/)(?:tests?/|testing/|test_[^/]*\.py$|[^/]*_test\.py$|conftest\.py$)")
DIFFED = re.compile(r"^diff --git a/(.+?) b/(.+)$", re.MULTILINE)
NO_CONVERSION = "* -text -eol -ident -filter -working-tree-encoding\n"
"""Attributes that outrank those a patch brings."""


class BadTaskError(SrftError):
    """The task itself cannot be graded; no run of it can be blamed."""


def lay_out(task: TaskInstance, patch: str, folder: Path) -> None:
    """Write the task's files and, below `.git`, what the scripts need, into an empty folder.

    Raises BadTaskError for paths that would leave the folder.
    """
    for path, content in task.files.items():
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or {"..", ".git"} & {*parts} or "\0" in path:
            raise BadTaskError(f"task {task.instance_id}: bad path {path!r} among its files")
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8", newline="")
    own = folder / ".git"
    (own / "info").mkdir(parents=True)
    (own / "info" / "attributes").write_text(NO_CONVERSION)
    (own / "model.patch").write_bytes(_patch_bytes(patch))
    (own / "test.patch").write_bytes(_patch_bytes(task.test_patch))
    shutil.copyfile(recorder.__file__, folder / RECORDER)


def apply_script(task: TaskInstance) -> str:
    """Apply the model's patch, then put the task's tests in place, as SWE-bench does.

    The index keeps the clean state. Test files that the patch changed come back from it; those
    it added under a name of ours are removed, and with them whatever Python would import
    in their stead (a package or extension of the same name, bytecode).
    """
    tests = sorted(test_paths(task))
    kept = [path for path in tests if path in task.files]
    stale = [path for path in tests if path not in task.files]
    lines = [
        f"git init -q . && git add -A -f . || exit {SET_UP_FAILED}",
        f"git apply --whitespace=nowarn .git/model.patch || exit {PATCH_REFUSED}",
    ]
    if kept:
        lines.append(_git("checkout -q", kept, literal=True))
    if stale:
        lines.append(_git("clean -ffdxq", stale, literal=True))
    lines.append(_git("clean -ffdxq", shadows(tests), literal=False))
    if task.test_patch:
        lines.append(f"git apply --whitespace=nowarn .git/test.patch || exit {TEST_PATCH_REFUSED}")
    return "\n".join(lines)


def test_paths(task: TaskInstance) -> set[str]:
    """The task's test files: by their names, and all that `test_patch` touches."""
    named = {path for path in task.files if TEST_FILE.search(path)}
    return named.union(*(DIFFED.findall(task.test_patch)))


# pytest would take the function for a test where a test module imports it.
test_paths.__test__ = False  # type: ignore[attr-defined]  # tells pytest: no test


def shadows(tests: list[str]) -> list[str]:
    """Patterns of untracked files that would be imported instead of the tests."""
    stems = [str(PurePosixPath(path).with_suffix("")) for path in tests if path.endswith(".py")]
    places = [f"{escape(stem)}{ending}" for stem in stems for ending in ("", ".*")]
    return [f":(glob){place}" for place in (*places, "**/__pycache__/**", "**/conftest.py")]


def _git(command: str, paths: list[str], *, literal: bool) -> str:
    how = "git --literal-pathspecs" if literal else "git"
    return f"{how} {command} -- {shlex.join(paths)} || exit {SET_UP_FAILED}"


def _patch_bytes(patch: str) -> bytes:
    """Git takes a patch without its last newline for a torn one."""
    ended = patch if not patch or patch.endswith("\n") else patch + "\n"
    return ended.encode("utf-8", "surrogatepass")
