"""Makes calls of the code under test and prints their answers. Runs inside the sandbox.

    python -s -B caller.py CALLS

CALLS is a JSON list of [module, function, arguments]. The last line printed is a JSON list with
`{"returned": value}` or `{"raised": text}` for each. It imports the standard library only, and all
of it before the repository is importable, and knows no wanted answer.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any


def plain(value: Any) -> Any:
    """The value as JSON gives it back: what a subclass holds, and not what it says of itself.

    Raises TypeError for any other.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, list):
        return [plain(each) for each in list.__iter__(value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in dict.__iter__(value)):
        return {plain(key): plain(each) for key, each in dict.items(value)}
    raise TypeError(f"a {type(value).__name__} is no plain value")


def answer(module: str, function: str, arguments: "list[Any]") -> "dict[str, Any]":
    """What the call returned or raised; whatever the code under test does."""
    try:
        called = getattr(importlib.import_module(module), function)
        return {"returned": plain(called(*arguments))}
    except BaseException as error:  # noqa: BLE001 also SystemExit is only a wrong answer
        return {"raised": f"{type(error).__name__}: {error}"[:500]}


def main() -> None:
    """Answer all calls in order."""
    calls = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.path[0] = str(Path.cwd())
    text = json.dumps([answer(*call) for call in calls])
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(1, f"\n{text}\n".encode())
    # Threads and exit handlers of the code under test have no more to say.
    os._exit(0)


if __name__ == "__main__":
    main()
