"""From what annotators hand back to a gold set."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from srft_assets.critic.gold.answers import Answer, read_answers
from srft_assets.critic.gold.labels import GoldLabel, parse_label, unfit
from srft_assets.critic.gold.sets import Merged, merge_labels
from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Import:
    """Where labels go.

    Attributes:
        home: the platform.
        name: of the gold set.
        steps: trajectory id → number of steps, of all runs there are.
        overwrite: whether an annotator's new label replaces the one before.
    """

    home: Home
    name: str
    steps: Mapping[str, int]
    overwrite: bool = False


def import_answers(file: Path, where: Import, annotator: str | None = None) -> Merged:
    """Put the answers of a file into a set.

    `annotator` names who labelled, where the file names nobody or one person. Raises UsageError
    for a file that is no table, and where nobody or too many are named.
    """
    return _put(_parsed(_signed(file, annotator)), file.name, where)


def _put(labels: Iterable[tuple[int, GoldLabel | str]], source: str, where: Import) -> Merged:
    fitting: list[tuple[int, GoldLabel]] = []
    refused: list[Refusal] = []
    for row, label in labels:
        if isinstance(label, str):
            refused.append(Refusal(source, label, row))
        elif (reason := unfit(label, where.steps)) is not None:
            refused.append(Refusal(source, reason, row, label.trajectory_id))
        else:
            fitting.append((row, label))
    merged = merge_labels(where.home, where.name, fitting, source, where.overwrite)
    every = sorted([*refused, *merged.refused], key=lambda one: one.row or 0)
    return dataclasses.replace(merged, refused=tuple(every))


def _signed(file: Path, annotator: str | None) -> list[Answer | tuple[int, str]]:
    """The answers, each with its annotator."""
    answers = list(read_answers(file))
    given = [answer for answer in answers if isinstance(answer, Answer)]
    named = sorted({answer.annotator for answer in given if answer.annotator})
    if annotator is None and any(answer.annotator is None for answer in given):
        raise UsageError(f"{file} does not say who labelled: give --annotator NAME")
    if annotator is not None and len(named) > 1:
        told = ", ".join(named[:5])
        raise UsageError(f"{file} names {len(named)} annotators ({told}): leave out --annotator")
    return [
        dataclasses.replace(answer, annotator=annotator or answer.annotator)
        if isinstance(answer, Answer)
        else answer
        for answer in answers
    ]


def _parsed(answers: Iterable[Answer | tuple[int, str]]) -> Iterator[tuple[int, GoldLabel | str]]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for answer in answers:
        if not isinstance(answer, Answer):
            yield answer
            continue
        run, index = _step(answer.step)
        stated = {
            "trajectory_id": run,
            "step_index": index,
            "label": answer.label,
            "annotator": answer.annotator,
            "note": answer.note,
            "at": answer.at or now,
        }
        yield answer.row, parse_label(stated)


def _step(stated: Mapping[str, Any]) -> tuple[Any, Any]:
    """Run and step, from their own columns or else from the queue's `id`."""
    run, index = stated.get("trajectory_id"), stated.get("step_index")
    if run in (None, "") or index in (None, ""):
        run, _, index = str(stated.get("id", "")).rpartition(":")
    if isinstance(index, str) and index.strip().isdecimal():
        index = int(index)
    return run, index
