"""Programs of ours outside the sandbox: git, pip, python -m venv. No shell, no user settings."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from srft_assets.outcomes.sdists.errors import NotBuiltError

GIT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "srft",
    "GIT_AUTHOR_EMAIL": "srft@localhost",
    "GIT_AUTHOR_DATE": "2025-01-01T00:00:00 +0000",
    "GIT_COMMITTER_NAME": "srft",
    "GIT_COMMITTER_EMAIL": "srft@localhost",
    "GIT_COMMITTER_DATE": "2025-01-01T00:00:00 +0000",
}
OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE")
"""Variables of this process that would mislead them."""


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    given: str | None = None,
    seconds: float = 1800,
) -> str:
    """Standard output of a program. Raises NotBuiltError with the end of what it said."""
    words = [str(word) for word in argv]
    variables = {name: value for name, value in os.environ.items() if name not in OURS}
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env={**variables, **(env or {})},
            input=(given or "").encode("utf-8", "surrogatepass"),
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotBuiltError(f"{_name(words)} took longer than {seconds:g} s") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL or half a surrogate pair in a word
        raise NotBuiltError(f"{_name(words)} did not start: {error}") from None
    if done.returncode:
        raise NotBuiltError(f"{_name(words)} failed: {_said(done.stderr or done.stdout)}")
    return done.stdout.decode("utf-8", "replace")


def git(repository: Path, *arguments: str | Path, given: str | None = None, **env: str) -> str:
    """`git -C repository …`. Raises NotBuiltError."""
    return run(["git", "-C", repository, *arguments], env={**GIT, **env}, given=given)


def _name(words: Sequence[str]) -> str:
    said = [word for word in words[1:5] if not word.startswith(("-", "/"))]
    return " ".join([Path(words[0]).name, *said])[:120]


def _said(output: bytes) -> str:
    """The last line that says something: git goes on after its own, pip ends with notices."""
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines()]
    told = [line for line in lines if line and not line.startswith(("WARNING", "[notice]"))]
    fatal = [line for line in told if line.startswith("fatal:")]
    return (fatal or told or ["no message"])[-1][:300]
