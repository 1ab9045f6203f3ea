"""The step relations that people labelled in OpenHands runs, as a gold set.

Source: sola-st/llm-agents-study (MIT), arXiv 2506.18824. The study labels relations between parts
of a run, not steps. docs/gold.md says how they became labels of steps, and what they cannot say.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from srft_assets.critic.gold.human_runs import STUDY, UnusableError, run_of, study_files
from srft_assets.critic.gold.labels import GIVEN, GoldLabel
from srft_assets.refusal import Refusal
from srft_assets.trajectories.formats import read_record

RELATIONS = Path("openhands_csv")


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


def study_labels(folder: Path) -> tuple[list[GoldLabel], list[Refusal]]:
    """A label for every step of every run whose labels can be placed; the others are refused.

    Raises UsageError where the folder is not that of the study.
    """
    labels: list[GoldLabel] = []
    refused: list[Refusal] = []
    for file in study_files(folder):
        try:
            labels += _labels(folder, file)
        except UnusableError as error:
            refused.append(Refusal(file.stem, str(error), subject=file.stem))
    return labels, refused


def _labels(folder: Path, file: Path) -> list[GoldLabel]:
    run = read_record(run_of(file), source=file.name, row=0, hint=file.name)
    found: dict[int, Relation] = {}
    for relation in reversed(FAULTS):
        faulted = _faulted(folder, file.stem, relation, len(run.steps))
        found |= dict.fromkeys(faulted, relation)
    return [_label(run.trajectory_id, index, found.get(index)) for index in range(len(run.steps))]


def _label(run: str, index: int, fault: Relation | None) -> GoldLabel:
    return GoldLabel(
        trajectory_id=run,
        step_index=index,
        label=fault.label if fault else "good",
        annotator=STUDY,
        note=f"{fault.fault} ({fault.name})" if fault else "no fault in any relation",
    )


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
