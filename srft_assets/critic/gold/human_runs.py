"""The OpenHands runs of the human study, from its texts of thoughts and actions."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from srft_assets.errors import UsageError
from srft_assets.refusal import Refusal

STUDY = "llm-agents-study"
TEXTS = Path("trajectories", "openhands", "parsed", "thoughts_actions")

Turn = tuple[str, dict[str, str]]
"""Thought, and the function that was called."""

_ITERATION = re.compile(r"^Iteration (\d+): Thought=", re.MULTILINE)
_ACTION = re.compile(r"; Action=(?=\{')")
_STATED = re.compile(r"OpenHands.*?Resolved instances:\s*```(.*?)```.*?```(.*?)```", re.DOTALL)


class UnusableError(Exception):
    """A run that cannot be read, or whose labels cannot be placed."""


def study_files(folder: Path) -> list[Path]:
    """The texts of the runs. Raises UsageError where the folder is not that of the study."""
    files = sorted((folder / TEXTS).glob("*.txt"))
    if not files:
        raise UsageError(f"{folder} is not a checkout of {STUDY}: {TEXTS} holds no .txt")
    return files


def study_runs(folder: Path) -> tuple[list[dict[str, Any]], list[Refusal]]:
    """Rows that `srft ingest` reads, one a run, with the steps that the labels speak of.

    The texts hold thoughts and actions; results and the task are not among them.
    """
    rows: list[dict[str, Any]] = []
    refused: list[Refusal] = []
    stated = _resolved(folder)
    for file in study_files(folder):
        try:
            row = run_of(file)
        except UnusableError as error:
            refused.append(Refusal(file.name, str(error), subject=file.stem))
            continue
        rows.append(row | ({"resolved": stated[file.stem]} if file.stem in stated else {}))
    return rows, refused


def run_of(file: Path) -> dict[str, Any]:
    """The run of one text as a row with `messages`. Raises UnusableError."""
    instance = file.stem
    messages = _messages(instance, _turns(file))
    return {"instance_id": instance, "traj_id": f"{STUDY}/{instance}", "messages": messages}


def as_lines(rows: Sequence[dict[str, Any]]) -> bytes:
    """The rows as JSON Lines."""
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def _turns(file: Path) -> list[Turn]:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UnusableError(f"not UTF-8: {error}") from error
    _, *parts = _ITERATION.split(text)
    numbers, bodies = parts[::2], parts[1::2]
    if not numbers or [int(number) for number in numbers] != list(range(len(numbers))):
        raise UnusableError("iterations are not numbered 0, 1, 2, …")
    return list(_parsed(bodies))


def _parsed(bodies: Sequence[str]) -> Iterator[Turn]:
    for index, body in enumerate(bodies):
        thought, *action = _ACTION.split(body, maxsplit=1)
        try:
            call = ast.literal_eval(action[0].strip().removesuffix("---").strip())
            function = {"name": call["name"], "arguments": call["arguments"]}
        except (IndexError, SyntaxError, ValueError, KeyError, TypeError) as error:
            raise UnusableError(f"iteration {index}: no action could be read") from error
        yield "" if thought == "None" else thought, function


def _messages(instance: str, turns: Sequence[Turn]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [{"role": "user", "content": f"Solve {instance}."}]
    for index, (thought, function) in enumerate(turns):
        call = {"id": f"call_{index}", "type": "function", "function": function}
        messages.append({"role": "assistant", "content": thought, "tool_calls": [call]})
        if index + 1 < len(turns):
            said = {"role": "tool", "tool_call_id": call["id"], "content": "(not published)"}
            messages.append(said)
    return messages


def _resolved(folder: Path) -> dict[str, bool]:
    """Outcomes as the study's README lists them; nothing where it is not there."""
    readme = folder / "README.md"
    lists = _STATED.search(readme.read_text(encoding="utf-8")) if readme.is_file() else None
    if lists is None:
        return {}
    resolved, unresolved = (dict.fromkeys(text.split()) for text in lists.groups())
    return dict.fromkeys(resolved, True) | dict.fromkeys(unresolved, False)
