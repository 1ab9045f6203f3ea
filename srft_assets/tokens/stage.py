"""`masked_tokens/<arm>`: token ids and loss masks of a batch for one training arm."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import polars as pl

from srft_assets.critic.gold.labels import majority
from srft_assets.critic.verdict import Label
from srft_assets.errors import Refusal, SrftError
from srft_assets.home import Home
from srft_assets.integrity.finding import INTEGRITY, tainted_steps
from srft_assets.outcomes.status import Status
from srft_assets.tokens.arm import ArmSpec, decide
from srft_assets.tokens.estimate import masking_cost
from srft_assets.tokens.lengths import Lengths
from srft_assets.tokens.mask import Job, mask_runs
from srft_assets.tokens.run_choice import candidates_sql, choose, solve_rates
from srft_assets.tokens.token_labels import MASKED_TOKENS, MaskedRow, RunRefusedError
from srft_assets.tokens.tokenizer import (
    is_base_model_asset,
    kept_tokenizer,
    model_source,
    tokenizer_fingerprint,
)
from srft_assets.tokens.warnings import runs_untainted, runs_whole, tokens_trained
from srft_assets.trajectories.model import from_row
from srft_assets.warehouse.partitions import ONLY
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.stage import Made, Stage, Upstream, Work

VERSION = 5
"""Raised when the output changes; see tools/versions.py."""

Labels = Mapping[str, Mapping[int, Label]]
"""Trajectory id → step_index → label."""

RUNS_AT_ONCE = 16
"""Runs that are read from the trajectories frame together."""

STEP = re.compile(r"\b(step|message) \d+")

DESCRIPTION = """
What the arm `{name}` trains on, one row a run: token ids, and the token span of every assistant
turn with whether it carries loss, and how much. A masked step stays in the context. Every trained
token was verified to decode to the text of an accepted step; runs that fail this are refused and
counted.

{description}
"""


def masked_tokens_stage(arm: ArmSpec) -> Stage:
    """The stage of one arm. Training and evaluation settings do not touch it."""
    asset = is_base_model_asset(arm.model)
    outcomes = Upstream("test_outcomes", "all" if arm.names("solve_rate") else "same")
    upstream = [Upstream("trajectories"), outcomes]
    upstream += [Upstream("integrity")] if asks_integrity(arm) else []
    upstream += [] if arm.gold is None else [Upstream("gold_labels", "whole")]
    upstream += [] if arm.critic is None else [Upstream(f"step_verdicts/{arm.critic}")]
    upstream += [Upstream(f"base_models/{arm.model}", "whole")] if asset else []
    # The SQL around the arm's `where`.
    where = {} if arm.where is None else {"where": digest(candidates_sql())[:16]}

    def config_of(home: Home, partition: str) -> Mapping[str, Any]:
        return {} if asset else {"tokenizer": tokenizer_fingerprint(arm.model)}

    return Stage(
        key=f"masked_tokens/{arm.name}",
        partitioned_by="batch",
        upstream=tuple(upstream),
        schema=MASKED_TOKENS,
        code={"version": VERSION, **where},
        make=partial(make_masks, arm),
        config=settings_of(arm),
        config_of=config_of,
        estimate=partial(masking_cost, arm),
        apart=True,
        watches={
            "tokens_trained": partial(tokens_trained, arm),
            "runs_whole": partial(runs_whole, arm),
            "runs_untainted": partial(runs_untainted, arm),
        },
        description=DESCRIPTION.format(name=arm.name, description=arm.description).strip(),
        kinds=frozenset({"polars", "huggingface"}),
    )


def asks_integrity(arm: ArmSpec) -> bool:
    """Whether findings decide what the arm trains on."""
    return arm.integrity != "keep" or arm.names("leaks")


def settings_of(arm: ArmSpec) -> dict[str, Any]:
    """The settings that decide tokens or mask; where nobody labels no mask setting does."""
    named = {"runs", "where", "dedup", "per_instance", "integrity", "model", "too_long"}
    if arm.labelled:
        named |= {"critic", "gold", "mask", "mask_resolved", "unlabeled", "weights", "control"}
    if arm.per_instance is not None or arm.control == "random_mask":
        named.add("seed")
    if arm.too_long == "windows":
        named.add("overlap")
    config = arm.model_dump(mode="json", include=named)
    if arm.labelled:
        config["mask"] = sorted(config["mask"])
    if arm.too_long != "refuse":
        config["max_length"] = arm.training.max_length
    return config


def make_masks(arm: ArmSpec, work: Work) -> Made:
    """The rows of one batch, verified; runs that fail are refused."""
    outcomes = work.read("test_outcomes")
    findings = work.read("integrity") if asks_integrity(arm) else INTEGRITY.to_frame()
    rates = None
    if arm.names("solve_rate"):
        names = work.input_names("test_outcomes") or [work.partition]
        rates = solve_rates(pl.concat(work.read("test_outcomes", name) for name in names))
    chosen = choose(arm, work.read("trajectories"), outcomes, findings, rates)
    left_out = {f"runs_{why}": count for why, count in chosen.left_out.items()}
    leaking = tainted_steps(findings) if arm.integrity == "mask" else {}
    labels = _labels(arm, work)
    source = f"trajectories/{work.partition}"
    if chosen.frame.is_empty():
        return _fitted(arm, source, [], left_out)
    status = {name: Status(one) for name, one in outcomes["trajectory_id", "status"].iter_rows()}
    tokenizer = kept_tokenizer(model_source(arm.model, work.home, work.read))
    rows = mask_runs(_jobs(arm, chosen.frame, status, labels, leaking), tokenizer)
    ids: list[str] = chosen.frame["trajectory_id"].to_list()
    tracked = work.progress.track(rows, f"masked_tokens/{arm.name} {work.partition}", len(ids))
    made = _fitted(arm, source, zip(ids, tracked, strict=True), left_out)
    if without := made.metadata["runs_without_their_thinking"]:
        work.log.warning(
            f"masked_tokens/{arm.name} {work.partition}: {without} runs are trained without their "
            "thinking, which the chat template drops in every turn"
        )
    return made


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
    told = {**figures(rows, refused), **left_out, **lengths.figures}
    refused += [Refusal(source, reason, subject=name) for name, reason in lengths.lost]
    frame = pl.DataFrame([row.as_row() for row in rows], schema=MASKED_TOKENS)
    return Made(frame, refused, told)


def _jobs(
    arm: ArmSpec,
    frame: pl.DataFrame,
    status: Mapping[str, Status],
    labels: Labels,
    leaking: Mapping[str, Collection[int]],
) -> Iterator[Job]:
    """The chosen runs with the loss weights of their steps, read a few at a time.

    `leaking`: steps that carry no loss, whatever their label.
    """
    for rows in frame.iter_slices(RUNS_AT_ONCE):
        for run in map(from_row, rows.iter_rows(named=True)):
            outcome = status.get(run.trajectory_id, Status.UNKNOWN)
            stated = labels.get(run.trajectory_id, {})
            of_steps = {s.step_index: stated.get(s.step_index, Label.UNLABELED) for s in run.steps}
            weights = decide(arm, run.trajectory_id, outcome, of_steps)
            weights |= dict.fromkeys(leaking.get(run.trajectory_id, ()), 0.0)
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
    broken = {row.trajectory_id: row.broken_calls for row in rows}
    found: dict[str, Any] = {
        "runs": len(broken),
        "tasks": len({row.instance_id for row in rows}),
        "runs_refused": len(refused),
        "runs_without_a_trained_token": len(broken.keys() - with_loss),
        "runs_without_their_thinking": len({r.trajectory_id for r in rows if r.thinking_dropped}),
        "steps_masked_for_broken_calls": sum(broken.values()),
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
