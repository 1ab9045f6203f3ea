"""The teacher's few commands, carried out in this process: no sandbox, no shell, no files.

For drilling the base model on many transcripts in little time. A test holds it to what the
real sandbox prints.
"""

import re
from typing import Any

from srft_assets.lab.repository import CHECK

_ASSERTION = re.compile(r'assertEqual\(\w+\.(\w+)\((.*?)\), (-?\w+), "(.*)"\)')
_SED = re.compile(r"sed -i 's\|(.+)\|(.+)\|' (\w+\.py)")


def rehearse(command: str, files: dict[str, str]) -> tuple[str, int]:
    """Output and return code of one of the teacher's commands; an edit changes `files`.

    `files` must be a generated repository: its code is run here. Raises ValueError for
    commands that the teacher does not use.
    """
    if command == "ls":
        return "".join(f"{name}\n" for name in sorted(files)), 0
    if command == CHECK:
        return _check(files)
    if command.startswith("cat ") and command[4:] in files:
        return files[command[4:]], 0
    if edit := _SED.fullmatch(command):
        pattern, new, name = edit.groups()
        files[name] = re.sub(pattern, lambda _: new, files[name])
        return "", 0
    raise ValueError(f"not one of the teacher's commands: {command[:80]!r}")


def _check(files: dict[str, str]) -> tuple[str, int]:
    test = next(name for name in files if name.startswith("test_"))
    scope: dict[str, Any] = {}
    exec(files[test.removeprefix("test_")], scope)  # noqa: S102 the lab's own source
    told: dict[str, str] = {}
    assertions = _ASSERTION.findall(files[test])
    for name, arguments, want, message in assertions:
        got = str(scope[name](*map(int, arguments.split(", "))))
        if got != want:
            told.setdefault(name, f"FAIL {name}: {got} != {want} : {message}\n")
    if told:
        return "".join(line for _, line in sorted(told.items())), 1
    return f"OK, {len({name for name, *_ in assertions})} tests pass\n", 0
