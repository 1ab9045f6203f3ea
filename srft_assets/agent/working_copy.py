"""The repository that an agent works in: a task's files under git, in a folder of its own."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from srft_assets.errors import SrftError
from srft_assets.outcomes.task import TaskInstance

GIT_ENV = {
    "GIT_AUTHOR_NAME": "lab",
    "GIT_AUTHOR_EMAIL": "lab@localhost",
    "GIT_AUTHOR_DATE": "2025-01-01T00:00:00 +0000",
    "GIT_COMMITTER_NAME": "lab",
    "GIT_COMMITTER_EMAIL": "lab@localhost",
    "GIT_COMMITTER_DATE": "2025-01-01T00:00:00 +0000",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
}
"""Nothing of the user's own git decides what the commit looks like."""

_COMMIT = " && ".join(
    (
        "git init -q -b main --template= .",
        "mkdir -p .git/info",
        "printf '__pycache__/\\n*.pyc\\n' > .git/info/exclude",
        "git -c core.autocrlf=false add -A",
        "git -c commit.gpgsign=false commit -q -m base",
    )
)


@contextmanager
def working_copy(task: TaskInstance) -> Iterator[Path]:
    """A temporary clone of the task's repository at its base commit; gone afterwards.

    Raises SrftError where the task bears no files, or a path that leaves the repository.
    """
    if not task.files:
        raise SrftError(f"{task.instance_id}: the task bears no `files`, so it cannot be played")
    with tempfile.TemporaryDirectory(prefix="srft-run-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for path, content in task.files.items():
            target = folder / _inside(path, task.instance_id)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8", newline="")
        done = subprocess.run(
            ["/bin/sh", "-c", _COMMIT],
            cwd=folder,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": name, **GIT_ENV},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SrftError(f"{task.instance_id}: git failed: {done.stderr.strip()[-200:]}")
        yield folder


def _inside(path: str, instance_id: str) -> PurePosixPath:
    parts = PurePosixPath(path)
    if parts.is_absolute() or not parts.parts or {"..", ".git"} & set(parts.parts):
        raise SrftError(f"{instance_id}: `files` names a path outside the repository: {path!r}")
    return parts
