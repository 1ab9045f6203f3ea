"""The step relations that people labelled in OpenHands runs: runs to ingest, labels to import.

    python docs/examples/human_study.py CHECKOUT FOLDER
    srft ingest FOLDER/runs.jsonl --batch human-study
    srft review import FOLDER/labels.jsonl --set human-study

CHECKOUT is one of sola-st/llm-agents-study (MIT), arXiv 2506.18824. The study labels relations
between parts of a run, not steps; docs/gold.md says how they became labels of steps, and what
they cannot say. The same can be done for any study: write the runs in a form that `srft ingest`
reads, and rows of `trajectory_id`, `step_index`, `label` and `annotator`.
"""

import ast
import csv
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from srft_assets.trajectories.formats import read_record

STUDY = "llm-agents-study"
TEXTS = Path("trajectories", "openhands", "parsed", "thoughts_actions")
RELATIONS = Path("openhands_csv")

Turn = tuple[str, dict[str, str]]
"""Thought, and the function that was called."""

_ITERATION = re.compile(r"^Iteration (\d+): Thought=", re.MULTILINE)
_ACTION = re.compile(r"; Action=(?=\{')")
_STATED = re.compile(r"OpenHands.*?Resolved instances:\s*```(.*?)```.*?```(.*?)```", re.DOTALL)


class UnusableError(Exception):
    """A run that cannot be read, or whose labels cannot be placed."""


def study_files(folder: Path) -> list[Path]:
    """The texts of the runs. Raises SystemExit where the folder is not that of the study."""
    files = sorted((folder / TEXTS).glob("*.txt"))
    if not files:
        raise SystemExit(f"{folder} is not a checkout of {STUDY}: {TEXTS} holds no .txt")
    return files


def convert(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    """Runs as rows with `messages`, a label for every step that can have one, and refusals.

    The texts hold thoughts and actions; results and the task are not among them. Raises
    SystemExit where the folder is not that of the study.
    """
    rows: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    refused: list[str] = []
    stated = _resolved(folder)
    for file in study_files(folder):
        try:
            row = run_of(file)
            rows.append(row | ({"resolved": stated[file.stem]} if file.stem in stated else {}))
            labels += labels_of(folder, file, row)
        except UnusableError as error:
            refused.append(f"{file.stem}: {error}")
    return rows, labels, refused


def run_of(file: Path) -> dict[str, Any]:
    """The run of one text as a row with `messages`. Raises UnusableError."""
    instance = file.stem
    messages = _messages(instance, _turns(file))
    return {"instance_id": instance, "traj_id": f"{STUDY}/{instance}", "messages": messages}


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


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation whose category `fault` makes the later of its two parts a bad step.

    `shift`: 0 for a relation within step i, 1 for one between step i and step i + 1.
    """

    name: str
    fault: str
    label: str
    shift: int


FAULTS = (
    Relation("thought_action", "Misalignment", "mistake", 0),
    Relation("result_thought", "Misinterpretation", "mistake", 1),
    Relation("action_action", "Repetition", "unnecessary", 1),
    Relation("thought_thought", "Redundancy", "unnecessary", 1),
)
"""The first that faults a step decides its label."""


def labels_of(folder: Path, file: Path, row: dict[str, Any]) -> list[dict[str, Any]]:
    """A label for every step of a run. Raises UnusableError where they cannot be placed."""
    run = read_record(row, source=file.name, row=0)
    found: dict[int, Relation] = {}
    for relation in reversed(FAULTS):
        faulted = _faulted(folder, file.stem, relation, len(run.steps))
        found |= dict.fromkeys(faulted, relation)
    return [_label(run.trajectory_id, index, found.get(index)) for index in range(len(run.steps))]


def _label(run: str, index: int, fault: Relation | None) -> dict[str, Any]:
    return {
        "trajectory_id": run,
        "step_index": index,
        "label": fault.label if fault else "good",
        "annotator": STUDY,
        "note": f"{fault.fault} ({fault.name})" if fault else "no fault in any relation",
    }


def _faulted(folder: Path, instance: str, relation: Relation, steps: int) -> list[int]:
    """Steps that the relation faults. Raises UnusableError where they cannot be placed."""
    path = folder / RELATIONS / relation.name / f"{instance}.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            given = [row["label"] for row in csv.DictReader(file)]
    except (OSError, KeyError, csv.Error, UnicodeDecodeError) as error:
        raise UnusableError(f"{relation.name}: {type(error).__name__}: {error}") from error
    faulted = [row + relation.shift for row, label in enumerate(given) if label == relation.fault]
    if faulted and len(given) != steps - relation.shift:
        raise UnusableError(
            f"{relation.name} has {len(given)} rows where {steps} steps have "
            f"{steps - relation.shift}: its {len(faulted)} × {relation.fault} cannot be placed"
        )
    return faulted


def main(arguments: list[str]) -> None:
    """Write `runs.jsonl` and `labels.jsonl`, and say what was refused."""
    if len(arguments) != 2:
        raise SystemExit("usage: python docs/examples/human_study.py CHECKOUT FOLDER")
    checkout, folder = map(Path, arguments)
    rows, labels, refused = convert(checkout)
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (("runs", rows), ("labels", labels)):
        path = folder / f"{name}.jsonl"
        path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
        print(f"{len(lines)} {name}: {path}")
    for line in refused:
        print(f"refused {line}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
