"""The rows of a cell: runs chosen, masked and tokenized by the platform's own code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from uuid import uuid4

import numpy as np
import polars as pl

from srft_assets.critic.scores.figures import against_rest, f1
from srft_assets.critic.scores.gold import confusion_by_run
from srft_assets.critic.verdict import Label
from srft_assets.experiment.data import Data, arm_spec
from srft_assets.experiment.design import Rows
from srft_assets.tokens.choose import choose
from srft_assets.tokens.errors import RunRefusedError
from srft_assets.tokens.jobs import Jobs
from srft_assets.tokens.labels import Labels
from srft_assets.tokens.mask import mask_runs
from srft_assets.tokens.row import MaskedRow
from srft_assets.tokens.schema import MASKED_TOKENS
from srft_assets.tokens.tokenizer import load_tokenizer


def write_rows(rows: Rows, data: Data, path: Path) -> Path:
    """The rows as a partition of `masked_tokens` at `path`, unless it is there already."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.parent / f".{path.name}.{uuid4().hex}.tmp"
        made = [row.as_row() for row in masked_rows(rows, data)]
        pl.DataFrame(made, schema=MASKED_TOKENS).write_parquet(beside)
        beside.replace(path)
    return path


def masked_rows(rows: Rows, data: Data) -> list[MaskedRow]:
    """One row a run. Raises RunRefusedError: no run of the lab is refused."""
    arm = arm_spec(rows.arm).model_copy(update={"seed": rows.seed})
    labels = labels_of(rows, data)
    frame = choose(arm, data.runs, data.outcomes).frame
    if rows.failed_share is not None:
        kept = with_share(data, rows.failed_share, rows.seed)
        frame = frame.filter(pl.col("trajectory_id").is_in(kept))
    jobs = Jobs(arm, frame, data.status, labels)
    made = []
    for row in mask_runs(jobs, load_tokenizer(data.base)):
        if isinstance(row, RunRefusedError):
            raise row
        made.append(jobs.weighted(row))
    return made


def labels_of(rows: Rows, data: Data) -> Labels:
    """The labels that mask: those that the arm names, some of them moved."""
    labels = data.labels(arm_spec(rows.arm))
    return moved(labels, data.failed, rows.moved, rows.seed) if rows.moved else labels


def moved(labels: Labels, runs: Sequence[str], share: float, seed: int) -> Labels:
    """Labels of the runs in which a share of the mistakes is called good, and as many other steps
    mistakes: as many are masked as before, but fewer of the right ones."""
    rng = Random(f"moved/{seed}")
    places = [(run, step) for run in sorted(runs) for step in sorted(labels.get(run, {}))]
    wrong = [(run, step) for run, step in places if labels[run][step] == Label.MISTAKE]
    right = [place for place in places if place not in set(wrong)]
    count = min(round(share * len(wrong)), len(right))
    changed = {run: dict(labels[run]) for run in labels}
    for run, step in rng.sample(wrong, count):
        changed[run][step] = Label.GOOD
    for run, step in rng.sample(right, count):
        changed[run][step] = Label.MISTAKE
    return changed


def with_share(data: Data, share: float, seed: int) -> list[str]:
    """Ids of runs of which `share` are failed, drawn; as many with every share: as there are of the
    rarer kind, so that nothing but the share differs."""
    failed = list(data.failed)
    resolved = sorted(set(data.runs["trajectory_id"]) - set(failed))
    rng = Random(f"share/{seed}")
    size = min(len(failed), len(resolved))
    count = round(share * size)
    return rng.sample(failed, count) + rng.sample(resolved, size - count)


def mistake_f1(labels: Labels, gold: Labels, runs: Sequence[str]) -> float:
    """F1 of `mistake` over the steps of the runs; what is unlabeled is a miss."""
    pairs = [
        (run, str(label), str(labels.get(run, {}).get(step, Label.UNLABELED)))
        for run in runs
        for step, label in gold[run].items()
    ]
    frame = pl.DataFrame(pairs, schema=["trajectory_id", "gold", "label"], orient="row")
    return float(f1(against_rest(confusion_by_run(frame).sum(axis=0), [Label.MISTAKE])))


@dataclass(frozen=True, slots=True)
class Facts:
    """What a set of rows holds; tokens of all rows, each counted once.

    `used`: rows with any loss; training leaves out the others.
    """

    runs: int
    used: int
    resolved: int
    tokens: int
    trained: int
    masked: int
    steps_masked: int

    @property
    def trained_a_run(self) -> float:
        """Mean trained tokens of the rows that are used."""
        return self.trained / self.used


def facts_of(frame: pl.DataFrame) -> Facts:
    """Of rows in the schema MASKED_TOKENS."""
    masked = frame["spans"].explode().struct.field("trained").not_().sum()
    return Facts(
        runs=frame.height,
        used=frame.filter(pl.col("n_trained") > 0).height,
        resolved=int((frame["status"] == "resolved").sum()),
        tokens=int(frame["n_tokens"].sum()),
        trained=int(frame["n_trained"].sum()),
        masked=int(frame["n_masked"].sum()),
        steps_masked=int(np.int64(masked)),
    )


def label_counts(labels: Labels, runs: Sequence[str]) -> Mapping[str, int]:
    """How many steps of the runs have each label."""
    counts = dict.fromkeys(map(str, Label), 0)
    for run in runs:
        for label in labels.get(run, {}).values():
            counts[str(label)] += 1
    return counts
