"""Compare what the product did with what it did before, line by line."""

import difflib
import json
import os
from pathlib import Path
from typing import Any

FILES = Path(__file__).with_name("files")
REWRITE = "SRFT_GOLDEN"
"""Environment variable; `write` rewrites the golden files instead of comparing with them."""
SHOWN = 60


def text_of(value: Any) -> str:
    """JSON, one fact a line, keys sorted."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def compare(name: str, value: Any) -> None:
    """Fail, showing the lines that moved, where `files/<name>.json` says otherwise."""
    path = FILES / f"{name}.json"
    text = text_of(value)
    if os.environ.get(REWRITE) == "write":
        path.write_text(text)
        return
    assert path.exists(), f"no {path.name} to compare with: run `make golden` first"
    old = path.read_text()
    if old == text:
        return
    lines = difflib.unified_diff(
        old.splitlines(), text.splitlines(), "golden", "now", lineterm="", n=1
    )
    moved = list(lines)
    shown = "\n".join(moved[:SHOWN])
    rest = f"\n… and {len(moved) - SHOWN} more lines" if len(moved) > SHOWN else ""
    raise AssertionError(
        f"behaviour moved, {path.relative_to(FILES.parent.parent.parent)}:\n{shown}{rest}\n"
        "If not on purpose, mend the code. If on purpose, name it in CHANGELOG.md under "
        "Unreleased and run `make golden`."
    )
