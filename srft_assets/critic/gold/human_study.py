"""The step relations that people labelled in OpenHands runs, as a gold set.

Source: sola-st/llm-agents-study (MIT), arXiv 2506.18824. The study labels relations between parts
of a run, not steps. docs/gold.md says how they became labels of steps, and what they cannot say.
"""

import ast
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from srft_assets.critic.gold.labels import GIVEN, GoldLabel
from srft_assets.errors import UsageError
from srft_assets.refusal import Refusal
from srft_assets.trajectories.formats import read_record

LAYOUT = "llm-agents-study"
TEXTS = Path("trajectories", "openhands", "parsed", "thoughts_actions")
RELATIONS = Path("openhands_csv")

Turn = tuple[str, dict[str, str]]
"""Thought, and the function that was called."""

_ITERATION = re.compile(r"^Iteration (\d+): Thought=", re.MULTILINE)
_ACTION = re.compile(r"; Action=(?=\{')")
_STATED = re.compile(r"OpenHands.*?Resolved instances:\s*```(.*?)```.*?```(.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation whose category `fault` makes the later of its two parts a bad step.

    `shift`: 0 for a relation within step i, 1 for one between step i and step i + 1.
    """

    name: str
    fault: str
    label: GIVEN
    shift: int


FAULTS = (
    Relation("thought_action", "Misalignment", "mistake", 0),
    Relation("result_thought", "Misinterpretation", "mistake", 1),
    Relation("action_action", "Repetition", "unnecessary", 1),
    Relation("thought_thought", "Redundancy", "unnecessary", 1),
)
"""The first that faults a step decides its label."""


class _UnusableError(Exception):
    """A run whose labels cannot be placed."""


def study_files(folder: Path) -> list[Path]:
    """The texts of the runs. Raises UsageError where the folder is not that of the study."""
    files = sorted((folder / TEXTS).glob("*.txt"))
    if not files:
        raise UsageError(f"{folder} is not a checkout of {LAYOUT}: {TEXTS} holds no .txt")
    return files


def study_labels(folder: Path) -> tuple[list[GoldLabel], list[Refusal]]:
    """A label for every step of every run whose labels can be placed; the others are refused."""
    labels: list[GoldLabel] = []
    refused: list[Refusal] = []
    for file in study_files(folder):
        try:
            labels += _labels(folder, file)
        except _UnusableError as error:
            refused.append(Refusal(file.stem, str(error), subject=file.stem))
    return labels, refused


def study_runs(folder: Path) -> tuple[list[dict[str, Any]], list[Refusal]]:
    """Rows that `srft ingest` reads, one a run, with the steps that the labels speak of.

    The texts hold thoughts and actions; results and the task are not among them.
    """
    rows: list[dict[str, Any]] = []
    refused: list[Refusal] = []
    stated = _resolved(folder)
    for file in study_files(folder):
        try:
            row = _run(file.stem, _turns(file))
        except _UnusableError as error:
            refused.append(Refusal(file.stem, str(error), subject=file.stem))
            continue
        rows.append(row | ({"resolved": stated[file.stem]} if file.stem in stated else {}))
    return rows, refused


def _run(instance: str, turns: Sequence[Turn]) -> dict[str, Any]:
    stated = f"{LAYOUT}/{instance}"
    messages = _messages(instance, turns)
    return {"instance_id": instance, "traj_id": stated, "messages": messages}


def _labels(folder: Path, file: Path) -> list[GoldLabel]:
    turns = _turns(file)
    count = len(turns)
    found: list[tuple[GIVEN, str] | None] = [None] * count
    for relation in reversed(FAULTS):
        for step in _faulted(folder, file.stem, relation, count):
            found[step] = relation.label, f"{relation.fault} ({relation.name})"
    run = read_record(_run(file.stem, turns), source=file.name, row=0, hint=file.name)
    return [
        GoldLabel(
            trajectory_id=run.trajectory_id,
            step_index=index,
            label=fault[0] if fault else "good",
            annotator=LAYOUT,
            note=fault[1] if fault else "no fault in any relation",
        )
        for index, fault in enumerate(found)
    ]


def _faulted(folder: Path, instance: str, relation: Relation, count: int) -> list[int]:
    """Steps that the relation faults."""
    path = folder / RELATIONS / relation.name / f"{instance}.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            given = [row["label"] for row in csv.DictReader(file)]
    except (OSError, KeyError, csv.Error, UnicodeDecodeError) as error:
        raise _UnusableError(f"{relation.name}: {type(error).__name__}: {error}") from error
    faulted = [
        place + relation.shift for place, label in enumerate(given) if label == relation.fault
    ]
    if faulted and len(given) != count - relation.shift:
        raise _UnusableError(
            f"{relation.name} has {len(given)} rows where {count} steps have "
            f"{count - relation.shift}: its {len(faulted)} × {relation.fault} cannot be placed"
        )
    return faulted


def _turns(file: Path) -> list[Turn]:
    """Thought and action of each step."""
    _, *parts = _ITERATION.split(file.read_text(encoding="utf-8"))
    numbers, bodies = parts[::2], parts[1::2]
    if [int(number) for number in numbers] != list(range(len(numbers))):
        raise _UnusableError("iterations are not numbered 0, 1, 2, …")
    return list(_parsed(bodies))


def _parsed(bodies: Sequence[str]) -> Iterator[Turn]:
    for index, body in enumerate(bodies):
        thought, *action = _ACTION.split(body, maxsplit=1)
        try:
            call = ast.literal_eval(action[0].strip().removesuffix("---").strip())
            yield (
                "" if thought == "None" else thought,
                {
                    "name": call["name"],
                    "arguments": call["arguments"],
                },
            )
        except (IndexError, SyntaxError, ValueError, KeyError, TypeError) as error:
            raise _UnusableError(f"iteration {index}: no action could be read") from error


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


def runs_as_lines(rows: Sequence[dict[str, Any]]) -> bytes:
    """The rows as JSON Lines."""
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)
