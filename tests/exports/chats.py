"""Exported chats: reading them back, why one is refused, and runs that are changed in one place."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.exports.conftest import Platform


def lines(folder: Path) -> list[dict[str, Any]]:
    """All rows of an export in JSON Lines."""
    paths = sorted(folder.glob("data/*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def reason_of(platform: Platform, form: str, out: Path, run: Any) -> str:
    """Why the only run of a batch is refused."""
    platform.add("one", run)
    ((reason, count),) = platform.export(form, out, "one").counts.refused.items()
    assert count == 1
    assert json.loads((out / "refused.jsonl").read_text())["reason"].startswith(reason)
    return reason


def changed(run: Any, place: int, **cells: Any) -> Any:
    """The run with other cells in one message; None takes a cell out."""
    messages = [dict(message) for message in run.messages]
    messages[place] |= cells
    messages[place] = {k: v for k, v in messages[place].items() if v is not None}
    return replace(run, messages=messages)


def two_calls(run: Any, second: str) -> Any:
    call = run.messages[1]["tool_calls"][0]
    return changed(run, 1, tool_calls=[call, {**call, "id": second}])
