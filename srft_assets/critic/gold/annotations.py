"""What annotators hand back, and how it gets into a gold set.

Read are JSON Lines, JSON, CSV and exports of Label Studio and Argilla.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from srft_assets.critic.gold.labels import (
    COLUMNS,
    GoldLabel,
    Merged,
    label_of_row,
    merge_labels,
    parse_label,
    unfit,
)
from srft_assets.critic.gold.queue import bare
from srft_assets.errors import Refusal, SrftError, UsageError, excerpt_of
from srft_assets.home import Home

QUESTION, NOTE = "label", "note"
"""Names that the questions have in Label Studio and Argilla, and the columns in a table."""
SKIPPED = "skip"
"""Given as a label, it says that the annotator looked and could not tell."""


def import_answers(
    file: Path,
    home: Home,
    name: str,
    steps: Mapping[str, int],
    annotator: str | None = None,
    overwrite: bool = False,
) -> Merged:
    """Put the answers of a file into the set `name`; rows that cannot be used are in its `refused`.

    `steps`: number of steps of each run there is. `annotator` names who labelled, where the file
    names nobody or one person. `overwrite`: whether an annotator's new label replaces the one
    before. Raises UsageError for a file that is no table, and where nobody or too many are named.
    """
    answers = list(_read(file))
    _check_annotators(file, answers, annotator)
    fitting: list[tuple[int, GoldLabel]] = []
    refused: list[Refusal] = []
    for answer in answers:
        label = answer.problem or _label_of(answer, annotator)
        if isinstance(label, str):
            refused.append(Refusal(file.name, label, answer.row))
        elif (reason := unfit(label, steps)) is not None:
            refused.append(Refusal(file.name, reason, answer.row, label.trajectory_id))
        else:
            fitting.append((answer.row, label))
    merged = merge_labels(home, name, fitting, file.name, overwrite)
    every = sorted([*refused, *merged.refused], key=lambda one: one.row or 0)
    return replace(merged, refused=tuple(every))


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer as it was found; nothing is checked yet.

    Attributes:
        row: of the file, from 0.
        step: what names the step: `trajectory_id` and `step_index`, or `id`.
        label: None where it was skipped.
        note: free text.
        annotator: as the file names them, None where it does not.
        at: when, as the file says.
        problem: why the row cannot be read; nothing else is known then.
    """

    row: int
    step: Mapping[str, Any]
    label: Any = None
    note: Any = ""
    annotator: str | None = None
    at: str | None = None
    problem: str = ""


def _check_annotators(file: Path, answers: list[_Answer], annotator: str | None) -> None:
    given = [answer.annotator for answer in answers if not answer.problem]
    named = sorted({name for name in given if name})
    if annotator is None and None in given:
        raise UsageError(f"{file} does not say who labelled: give --annotator NAME")
    if annotator is not None and len(named) > 1:
        told = ", ".join(named[:5])
        raise UsageError(f"{file} names {len(named)} annotators ({told}): leave out --annotator")


def _label_of(answer: _Answer, annotator: str | None) -> GoldLabel | str:
    """The label, or what is wrong with it. Run and step from their own columns, else from `id`."""
    run, index = answer.step.get("trajectory_id"), answer.step.get("step_index")
    if run in (None, "") or index in (None, ""):
        run, _, index = str(answer.step.get("id", "")).rpartition(":")
    if isinstance(index, str) and index.strip().isdecimal():
        index = int(index)
    label = answer.label.strip().lower() if isinstance(answer.label, str) else answer.label
    return parse_label(
        {
            "trajectory_id": run,
            "step_index": index,
            "label": None if label == SKIPPED else label,
            "annotator": annotator or answer.annotator,
            "note": answer.note,
            "at": answer.at or datetime.now(UTC).isoformat(timespec="seconds"),
        }
    )


def _read(path: Path) -> Iterator[_Answer]:
    """The answers of a file. Rows without a label are left out."""
    records = _table(path) if path.suffix.lower() in (".csv", ".tsv") else _json(path)
    for row, record in records:
        try:
            yield from list(_answers(row, record))
        except (AttributeError, KeyError, TypeError) as error:
            reason = f"neither a row nor a task that was exported: {excerpt_of(str(error))}"
            yield _Answer(row, {}, problem=reason)


def _answers(row: int, record: Any) -> Iterator[_Answer]:
    if isinstance(record, _Answer):
        yield record
    elif not isinstance(record, dict):
        yield _Answer(row, {}, problem="not an object")
    elif isinstance(record.get("annotations"), list) and isinstance(record.get("data"), dict):
        yield from _label_studio(row, record)
    elif isinstance(record.get("responses"), dict) and "fields" in record:
        yield from _argilla(row, record)
    elif (label := record.get(QUESTION)) not in (None, ""):
        at = record.get("at") or record.get("updated_at") or None
        note = record.get(NOTE) or ""
        yield _Answer(row, record, label, note, _person(record.get("annotator")), at)


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
    """The elements of a JSON array, or the lines of a file of JSON Lines."""
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
                yield row, _Answer(row, {}, problem=f"not JSON: {error}")


def _label_studio(row: int, record: dict[str, Any]) -> Iterator[_Answer]:
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
        yield _Answer(
            row=row,
            step=record["data"],
            label=choices[0] if len(choices) == 1 else choices or None,
            note="\n".join(note) if isinstance(note, list) else note,
            annotator=_person(annotation.get("completed_by")),
            at=annotation.get("updated_at") or annotation.get("created_at"),
        )


def _argilla(row: int, record: dict[str, Any]) -> Iterator[_Answer]:
    """Each response of a record, as `dataset.records.to_json` of Argilla 2 writes it."""
    notes = {
        response.get("user_id"): response.get("value")
        for response in record["responses"].get(NOTE, [])
    }
    step = {"id": record.get("id"), **(record.get("metadata") or {})}
    for response in record["responses"].get(QUESTION, []):
        who = response.get("user_id")
        yield _Answer(row, step, response.get("value"), notes.get(who) or "", _person(who))


def _person(who: object) -> str | None:
    if isinstance(who, dict):
        who = who.get("email") or who.get("id")
    return None if who in (None, "") else str(who)


class LabelChangedError(SrftError):
    """Somebody labelled the step meanwhile, under the same name; `found` is what stands there."""

    def __init__(self, found: GoldLabel | None) -> None:
        super().__init__("the label was changed meanwhile, in another window")
        self.found = found


def set_label(
    home: Home, name: str, label: GoldLabel, before: GoldLabel | None, *, remove: bool = False
) -> None:
    """Put one label into a set, or take it out, at once and durably.

    `before` is what the annotator saw there: raises LabelChangedError, and changes nothing, where
    something else stands there by now. Labels of other annotators are never touched.
    """
    import sqlalchemy as sa

    from srft_assets.database.store import GOLD_LABELS as TABLE
    from srft_assets.database.store import database_of

    given = {"set_name": name, "given_at": label.at, **label.model_dump(exclude={"at"})}
    key = {column.name: given[column.name] for column in TABLE.primary_key}
    wanted = sa.select(*(TABLE.c[column] for column in COLUMNS)).filter_by(**key)
    with database_of(home).write() as connection:
        row = connection.execute(wanted).first()
        found = label_of_row(row) if row is not None else None
        stands, seen = (one and (one.label, one.note) for one in (found, before))
        if stands != seen:
            raise LabelChangedError(found)
        connection.execute(sa.delete(TABLE).filter_by(**key))
        if not remove:
            connection.execute(sa.insert(TABLE), given)
