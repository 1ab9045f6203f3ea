"""Git's own names and diffs, computed without starting git.

Formats: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects and git-diff(1).
"""

import difflib
import hashlib
import re
from collections.abc import Mapping

from srft_assets.agent.environment import GIT_ENV

MESSAGE = "base"
_EPOCH = 1_735_689_600
"""2025-01-01T00:00:00Z, the date in `GIT_ENV`."""
_HUNK = re.compile(r"@@ -(\d+)")


def blob_id(content: str) -> str:
    """40 hex digits of a file's content."""
    return _object_id("blob", content.encode()).hex()


def commit_id(files: Mapping[str, str]) -> str:
    """The commit that `working_copy` makes of these files; all of them in the root folder."""
    tree = b"".join(
        b"100644 " + name.encode() + b"\0" + _object_id("blob", content.encode())
        for name, content in sorted(files.items())
    )
    person = f"{GIT_ENV['GIT_AUTHOR_NAME']} <{GIT_ENV['GIT_AUTHOR_EMAIL']}> {_EPOCH} +0000"
    text = f"tree {_object_id('tree', tree).hex()}\nauthor {person}\ncommitter {person}\n\n"
    return _object_id("commit", f"{text}{MESSAGE}\n".encode()).hex()


def git_diff(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What `git diff` prints for changed and new files, in name order; '' where nothing changed."""
    return "".join(
        _file_diff(name, before.get(name), after[name])
        for name in sorted(after)
        if before.get(name) != after[name]
    )


def _file_diff(name: str, old: str | None, new: str) -> str:
    head = f"diff --git a/{name} b/{name}\n"
    if old is None:
        head += f"new file mode 100644\nindex 0000000..{blob_id(new)[:7]}\n"
    else:
        head += f"index {blob_id(old)[:7]}..{blob_id(new)[:7]} 100644\n"
    before = (old or "").splitlines(keepends=True)
    titles = "/dev/null" if old is None else f"a/{name}", f"b/{name}"
    lines = difflib.unified_diff(before, new.splitlines(keepends=True), *titles)
    return head + "".join(_with_function(line, before) for line in lines)


def _with_function(line: str, before: list[str]) -> str:
    """Git ends a hunk's header with the last unindented line above the hunk."""
    hunk = _HUNK.match(line)
    if hunk is None:
        return line
    above = reversed(before[: max(0, int(hunk[1]) - 1)])
    title = next((text.strip()[:80] for text in above if text[0].isalpha()), "")
    return f"{line.rstrip()} {title}".rstrip() + "\n"


def _object_id(kind: str, body: bytes) -> bytes:
    return hashlib.sha1(f"{kind} {len(body)}\0".encode() + body, usedforsecurity=False).digest()
