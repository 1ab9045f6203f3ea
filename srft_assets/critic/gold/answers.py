"""What annotators hand back: JSON Lines, CSV, exports of Label Studio and Argilla."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from srft_assets.critic.gold.formats import bare
from srft_assets.errors import UsageError
from srft_assets.refusal import excerpt_of

QUESTION, NOTE = "label", "note"
"""Names that the questions have in Label Studio and Argilla, and the columns in a table."""
SKIPPED = "skip"
"""Given as a label, it says that the annotator looked and could not tell."""


class BadLine(str):
    """Why a line is no JSON, in the place of its record."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it was found; nothing is checked yet.

    Attributes:
        row: of the file, from 0.
        step: what names the step: `trajectory_id` and `step_index`, or `id`.
        label: None where it was skipped.
        note: free text.
        annotator: as the file names them, None where it does not.
        at: when, as the file says.
    """

    row: int
    step: Mapping[str, Any]
    label: Any
    note: Any = ""
    annotator: str | None = None
    at: str | None = None


def read_answers(path: Path) -> Iterator[Answer | tuple[int, str]]:
    """The answers of a file; for a row that cannot be read, its number and why.

    Rows without a label are left out. Raises UsageError where the file as a whole is no table.
    """
    records = _table(path) if path.suffix.lower() in (".csv", ".tsv") else _json(path)
    for row, record in records:
        if not isinstance(record, dict):
            yield row, record if isinstance(record, BadLine) else "not an object"
            continue
        try:
            yield from list(_answers(row, record))
        except (AttributeError, KeyError, TypeError) as error:
            yield row, f"neither a row nor a task that was exported: {excerpt_of(str(error))}"


def _answers(row: int, record: dict[str, Any]) -> Iterator[Answer]:
    if isinstance(record.get("annotations"), list) and isinstance(record.get("data"), dict):
        yield from _label_studio(row, record)
    elif isinstance(record.get("responses"), dict) and "fields" in record:
        yield from _argilla(row, record)
    elif record.get(QUESTION) not in (None, ""):
        yield _flat(row, record)


def _table(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
        delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        if QUESTION not in (reader.fieldnames or []):
            raise UsageError(f"{path}: no column {QUESTION!r} in the first line")
        for row, cells in enumerate(reader):
            yield row, {name: bare(cell or "") for name, cell in cells.items() if name}
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a CSV file: {error}") from error


def _json(path: Path) -> Iterator[tuple[int, Any]]:
    content = path.read_bytes()
    if content.lstrip()[:1] == b"[":
        try:
            yield from enumerate(orjson.loads(content))
        except orjson.JSONDecodeError as error:
            raise UsageError(f"{path}: not JSON: {error}") from error
        return
    for row, line in enumerate(content.split(b"\n")):
        if line.strip():
            try:
                yield row, orjson.loads(line)
            except orjson.JSONDecodeError as error:
                yield row, BadLine(f"not JSON: {error}")


def _flat(row: int, record: dict[str, Any]) -> Answer:
    annotator = record.get("annotator")
    return Answer(
        row=row,
        step=record,
        label=_label(record.get(QUESTION)),
        note=record.get(NOTE) or "",
        annotator=None if annotator in (None, "") else str(annotator),
        at=record.get("at") or record.get("updated_at") or None,
    )


def _label_studio(row: int, record: dict[str, Any]) -> Iterator[Answer]:
    """Each annotation of a task: https://labelstud.io/guide/task_format."""
    for annotation in record["annotations"]:
        given = {
            result.get("from_name"): result.get("value", {})
            for result in annotation.get("result", [])
        }
        choices = given.get(QUESTION, {}).get("choices", [])
        if not choices and not annotation.get("was_cancelled"):
            continue
        note = given.get(NOTE, {}).get("text", "")
        who = annotation.get("completed_by")
        yield Answer(
            row=row,
            step=record["data"],
            label=_label(choices[0] if len(choices) == 1 else choices or None),
            note="\n".join(note) if isinstance(note, list) else note,
            annotator=_person(who),
            at=annotation.get("updated_at") or annotation.get("created_at"),
        )


def _person(who: object) -> str | None:
    if isinstance(who, dict):
        who = who.get("email") or who.get("id")
    return None if who is None else str(who)


def _argilla(row: int, record: dict[str, Any]) -> Iterator[Answer]:
    """Each response of a record, as `dataset.records.to_json` of Argilla 2 writes it."""
    notes = {
        response.get("user_id"): response.get("value")
        for response in record["responses"].get(NOTE, [])
    }
    for response in record["responses"].get(QUESTION, []):
        who = response.get("user_id")
        yield Answer(
            row=row,
            step={"id": record.get("id"), **(record.get("metadata") or {})},
            label=_label(response.get("value")),
            note=notes.get(who) or "",
            annotator=_person(who),
        )


def _label(value: Any) -> Any:
    stated = value.strip().lower() if isinstance(value, str) else value
    return None if stated == SKIPPED else stated
