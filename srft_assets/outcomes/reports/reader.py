"""Reports of any known kind, told apart by what is in them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import orjson

from srft_assets.errors import Refusal, excerpt_of
from srft_assets.outcomes.reports.instance import (
    BadReportError,
    grade_instance,
    grade_row,
    text,
)
from srft_assets.outcomes.reports.lists import grade_lists, grade_run, is_list_report, is_run_report
from srft_assets.outcomes.status import ReportedOutcome
from srft_assets.trajectories.discover import is_verdicts

INSTANCE_KEYS = frozenset({"tests_status", "patch_is_None", "patch_exists"})
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def parse_report(
    data: bytes, source: str, beside: Mapping[str, str] | None = None
) -> Iterator[ReportedOutcome | Refusal]:
    """Outcomes of one report; `beside`: file name → text of what lies beside it.

    The path `source` names the instance of a flat report: the folder of
    `<instance_id>/report.json`, or the file of `<instance_id>.report.json`. A report, or a row of
    one, that cannot be read or contradicts itself comes as a Refusal.
    """
    data = data.removeprefix(BYTE_ORDER_MARK)
    if not data.strip():
        yield Refusal(source, "empty file")
        return
    rows = _rows(data)
    if rows is None:
        yield Refusal(source, "not JSON, or torn", excerpt=excerpt_of(data))
        return
    flat = instance_of(source) if len(rows) == 1 else None
    for number, (name, value) in enumerate(rows):
        row = number if len(rows) > 1 else None
        try:
            # Read to its end before any of it counts: a contradiction may come last.
            outcomes = list(_grade(name, flat, value, beside or {}))
        except BadReportError as error:
            yield Refusal(source, str(error), row=row, subject=name)
            continue
        yield from (replace(outcome, source=source) for outcome in outcomes)


@dataclass(frozen=True, slots=True)
class Prediction:
    """A patch as a predictions file names it; empty where there is none."""

    instance_id: str
    model: str | None
    patch: str


def read_predictions(data: bytes) -> list[Prediction]:
    """The patches that a file names; what is no prediction is passed over."""
    found = []
    for name, value in _rows(data.removeprefix(BYTE_ORDER_MARK)) or ():
        if not isinstance(value, dict) or "model_patch" not in value:
            continue
        cells = value.get("instance_id") or name, value.get("model_name_or_path")
        instance, model = (cell if isinstance(cell, str) else None for cell in cells)
        patch = value["model_patch"] or ""
        if instance and isinstance(patch, str):
            found.append(Prediction(instance, model, patch))
    return found


def instance_of(path: str) -> str:
    """The instance that a flat report is of, by its place."""
    place = PurePosixPath(path)
    stem = place.name.removesuffix(".json").removesuffix(".report")
    return place.parent.name if stem in ("report", "") else stem


def _rows(data: bytes) -> list[tuple[str | None, Any]] | None:
    """(instance id where the report names it, value) for every statement; None if unreadable."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            return [(None, orjson.loads(line)) for line in data.splitlines() if line.strip()]
        except orjson.JSONDecodeError:
            return None
    if isinstance(value, list):
        return [(None, row) for row in value]
    while isinstance(value, dict) and isinstance(value.get("final_report"), dict):
        value = value["final_report"]
    if isinstance(value, dict) and isinstance(value.get("final_report"), list):
        return [(None, {"resolved": value["final_report"]})]
    if _is_one(value):
        return [(None, value)]
    return [(str(name), cell) for name, cell in value.items()]


def _is_one(value: Any) -> bool:
    """Whether this is one report, not an object of reports by instance."""
    if not isinstance(value, dict) or not value:
        return True
    whole = is_run_report(value) or is_list_report(value) or bool(INSTANCE_KEYS & value.keys())
    cells = value.values()
    return whole or not (is_verdicts(value) or all(isinstance(cell, dict) for cell in cells))


def _grade(
    key: str | None, place: str | None, value: Any, beside: Mapping[str, str]
) -> Iterator[ReportedOutcome]:
    """What one statement says. `key` is the instance that it stands under, `place` the one that
    its file's place names, where the statement itself names none.
    """
    if isinstance(value, bool) and key:
        value = {"instance_id": key, "resolved": value}
    if not isinstance(value, dict):
        raise BadReportError(f"not a report: a {type(value).__name__}")
    if is_run_report(value):
        yield from grade_run(value)
    elif is_list_report(value):
        yield from grade_lists(value)
    elif INSTANCE_KEYS & value.keys():
        if (named := key or text(value, "instance_id") or place) is None:
            raise BadReportError("a grading without instance_id")
        yield grade_instance(named, value, beside)
    elif (outcome := grade_row(value, key or place)) is not None:
        yield outcome
    elif "model_patch" not in value:
        keys = ", ".join(str(key)[:40] for key in list(value)[:6])
        raise BadReportError(f"not a grading report: an object of {{{keys}}}")
