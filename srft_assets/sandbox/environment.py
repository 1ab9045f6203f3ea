"""The whole environment that a command in a sandbox sees."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from srft_assets.errors import UsageError

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
FIXED = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "TERM": "dumb",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
}


def environment(programs: Sequence[Path], extra: Mapping[str, str] | None) -> dict[str, str]:
    """The fixed variables, `programs` first on PATH, then `extra`, which wins.

    Raises UsageError for names or values that no environment can hold.
    """
    for name, value in (extra or {}).items():
        if not name or "=" in name or "\0" in name + value:
            raise UsageError(f"bad environment variable {name!r}: no '=' or NUL may be in it")
    path = ":".join([*map(str, programs), SYSTEM_PATH])
    return {**FIXED, "PATH": path, **(extra or {})}
