"""The rows of one partition of `masked_tokens/<arm>`: runs chosen, masked, brought to length."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from srft_assets.critic.gold.labels import majority
from srft_assets.critic.verdict import Label
from srft_assets.errors import Refusal, SrftError
from srft_assets.outcomes.status import Status
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.fast_tokenizer import DiffersError
from srft_assets.tokens.lengths import Lengths
from srft_assets.tokens.mask import Job, mask_runs
from srft_assets.tokens.policy import decide
from srft_assets.tokens.row import MASKED_TOKENS, MaskedRow, RunRefusedError
from srft_assets.tokens.run_choice import choose
from srft_assets.tokens.tokenizer import kept_tokenizer, model_source
from srft_assets.trajectories.schema import from_row
from srft_assets.warehouse.partitions import ONLY
from srft_assets.warehouse.stage import Made, Work

VERSION = 1
"""Raised when the output changes; see tools/versions.py."""

Labels = Mapping[str, Mapping[int, Label]]
"""Trajectory id → step_index → label."""

RUNS_AT_ONCE = 16
"""Runs that are read from the trajectories frame together."""

STEP = re.compile(r"\b(step|message) \d+")


def make_masks(arm: ArmSpec, work: Work) -> Made:
    """The rows of one batch, verified; runs that fail are refused.

    Where fastokens is found to differ from the model's tokenizer after it has given ids, all rows
    are made again without it.
    """
    outcomes = work.read("test_outcomes")
    chosen = choose(arm, work.read("trajectories"), outcomes)
    left_out = {f"runs_{why}": count for why, count in chosen.left_out.items()}
    labels = _labels(arm, work)
    if chosen.frame.is_empty():
        told = figures([], []) | left_out | Lengths(arm).figures()
        return Made(MASKED_TOKENS.to_frame(), [], told)
    status = {name: Status(one) for name, one in outcomes["trajectory_id", "status"].iter_rows()}
    tokenizer = kept_tokenizer(model_source(arm.model, work.home, work.read))

    def made() -> Made:
        jobs = _jobs(arm, chosen.frame, status, labels)
        ids: list[str] = chosen.frame["trajectory_id"].to_list()
        label = f"masked_tokens/{arm.name} {work.partition}"
        rows = work.progress.track(mask_runs(jobs, tokenizer), label, len(ids))
        return _fitted(arm, f"trajectories/{work.partition}", zip(ids, rows, strict=True), left_out)

    try:
        found = made()
    except DiffersError:
        found = made()
    if tokenizer.fast.refused is None:
        return found
    work.log.warning("tokenized by the model's own tokenizer alone: %s", tokenizer.fast.refused)
    not_used = {"fastokens_not_used": tokenizer.fast.refused}
    return replace(found, metadata={**found.metadata, **not_used})


def _fitted(
    arm: ArmSpec,
    source: str,
    masked: Iterable[tuple[str, MaskedRow | RunRefusedError]],
    left_out: Mapping[str, int],
) -> Made:
    """The rows of the partition, each brought to the arm's length, and what was refused."""
    lengths = Lengths(arm)
    rows: list[MaskedRow] = []
    refused: list[Refusal] = []
    for trajectory_id, row in masked:
        try:
            if isinstance(row, RunRefusedError):
                raise row
            rows += lengths.fit(row)
        except RunRefusedError as error:
            refused.append(Refusal(source, str(error), subject=trajectory_id))
    told = {**figures(rows, refused), **left_out, **lengths.figures()}
    refused += [Refusal(source, reason, subject=name) for name, reason in lengths.lost]
    frame = pl.DataFrame([row.as_row() for row in rows], schema=MASKED_TOKENS)
    return Made(frame, refused, told)


def _jobs(
    arm: ArmSpec, frame: pl.DataFrame, status: Mapping[str, Status], labels: Labels
) -> Iterator[Job]:
    """The chosen runs with the loss weights of their steps, read a few at a time."""
    for rows in frame.iter_slices(RUNS_AT_ONCE):
        for run in map(from_row, rows.iter_rows(named=True)):
            outcome = status.get(run.trajectory_id, Status.UNKNOWN)
            stated = labels.get(run.trajectory_id, {})
            of_steps = {s.step_index: stated.get(s.step_index, Label.UNLABELED) for s in run.steps}
            weights = decide(arm, run.trajectory_id, outcome, of_steps)
            names = {step: str(label) for step, label in of_steps.items()} if arm.labelled else {}
            yield Job(run, weights, names, outcome)


def _labels(arm: ArmSpec, work: Work) -> Labels:
    """The labels of the batch's steps; of a gold set those of all batches.

    Raises SrftError for a gold set that is not there.
    """
    if arm.gold is not None:
        every = work.read("gold_labels", ONLY)
        found = every.filter(pl.col("set") == arm.gold, pl.col("label").is_not_null())
        if found.is_empty():
            there = ", ".join(sorted(every["set"].unique())) or "none"
            raise SrftError(f"arm {arm.name}: no label in the gold set {arm.gold!r}; sets: {there}")
        frame = majority(found)[0]
    elif arm.critic is not None:
        frame = work.read(f"step_verdicts/{arm.critic}")
    else:
        return {}
    labels: dict[str, dict[int, Label]] = {}
    for trajectory_id, step, label in frame["trajectory_id", "step_index", "label"].iter_rows():
        labels.setdefault(trajectory_id, {})[step] = Label(label)
    return labels


def figures(rows: Sequence[MaskedRow], refused: Sequence[Refusal]) -> dict[str, Any]:
    """What the asset's page says of a batch: runs and tokens, and why runs were refused."""
    trained, masked = sum(r.n_trained for r in rows), sum(r.n_masked for r in rows)
    tokens = sum(row.n_tokens for row in rows)
    with_loss = {row.trajectory_id for row in rows if row.n_trained}
    runs = {row.trajectory_id for row in rows}
    found: dict[str, Any] = {
        "runs": len(runs),
        "runs_refused": len(refused),
        "runs_without_a_trained_token": len(runs - with_loss),
        "tokens": tokens,
        "tokens_trained": trained,
        "tokens_masked": masked,
        "tokens_context": tokens - trained - masked,
        "masked_share": masked / (trained + masked) if trained + masked else 0.0,
    }
    if refused:
        reasons = Counter(STEP.sub(r"\1 …", one.reason) for one in refused)
        found["refused_because"] = dict(reasons.most_common())
    return found
