"""From what annotators hand back to a gold set."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from srft_assets.critic.gold.answers import Answer, read_answers
from srft_assets.critic.gold.labels import GoldLabel, parse_label, unfit
from srft_assets.critic.gold.sets import Merged, merge_labels
from srft_assets.errors import UsageError
from srft_assets.refusal import Refusal


def import_answers(
    file: Path,
    into: Path,
    steps: Mapping[str, int],
    annotator: str | None = None,
    overwrite: bool = False,
) -> Merged:
    """Put the answers of a file into the set `into`; `steps`: steps of each run there is.

    `annotator` names who labelled, where the file names nobody or one person. Raises UsageError
    for a file that is no table, and where nobody or too many are named.
    """
    labels: list[tuple[int, GoldLabel]] = []
    refused: list[Refusal] = []
    for answer in _signed(file, annotator):
        row, parsed = (answer.row, _parsed(answer)) if isinstance(answer, Answer) else answer
        reason = parsed if isinstance(parsed, str) else unfit(parsed, steps)
        if reason is not None:
            subject = None if isinstance(parsed, str) else parsed.trajectory_id
            refused.append(Refusal(file.name, reason, row, subject))
        elif isinstance(parsed, GoldLabel):
            labels.append((row, parsed))
    merged = merge_labels(into, labels, file.name, overwrite)
    every = sorted([*refused, *merged.refused], key=lambda one: one.row or 0)
    return Merged(merged.added, merged.changed, merged.unchanged, tuple(every))


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
    if annotator is None:
        return answers
    return [
        replace(answer, annotator=annotator) if isinstance(answer, Answer) else answer
        for answer in answers
    ]


def _parsed(answer: Answer) -> GoldLabel | str:
    run, index = _step(answer.step)
    return parse_label(
        {
            "trajectory_id": run,
            "step_index": index,
            "label": answer.label,
            "annotator": answer.annotator,
            "note": answer.note,
            "at": answer.at or datetime.now(UTC).isoformat(timespec="seconds"),
        }
    )


def _step(stated: Mapping[str, Any]) -> tuple[Any, Any]:
    """Run and step, from their own columns or else from the queue's `id`."""
    run, index = stated.get("trajectory_id"), stated.get("step_index")
    if run in (None, "") or index in (None, ""):
        run, _, index = str(stated.get("id", "")).rpartition(":")
    if isinstance(index, str) and index.strip().isdecimal():
        index = int(index)
    return run, index
