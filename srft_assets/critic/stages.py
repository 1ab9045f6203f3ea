"""The assets `critic_prompt/<critic>` and `step_verdicts/<critic>`, and what verdicts cost."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
import polars as pl

from srft_assets.critic.calls import calls_written
from srft_assets.critic.exchanges import Batch, judged_outcomes, judged_runs
from srft_assets.critic.prompt.requests import requests_for
from srft_assets.critic.prompt.template import Prompt
from srft_assets.critic.prompt.text import counter_fingerprint, tokens_of
from srft_assets.critic.rules.critic import judge
from srft_assets.critic.spec import LlmSpec
from srft_assets.critic.verdict import (
    CRITIC_PROMPTS,
    STEP_VERDICTS,
    VERSIONS,
    VOLATILE,
    verdict_figures,
    verdict_row,
)
from srft_assets.errors import Refusal
from srft_assets.home import Home
from srft_assets.outcomes.status import FAILED, Status, crashed_runs
from srft_assets.outcomes.task import gold_patches
from srft_assets.text import some
from srft_assets.trajectories.model import from_row
from srft_assets.warehouse.cost import Cost
from srft_assets.warehouse.making import History, make_partition, recipe_of
from srft_assets.warehouse.partitions import ONLY, Warehouse
from srft_assets.warehouse.recipe import Code, digest, source_digest
from srft_assets.warehouse.stage import Made, Planned, Said, Stage, Trial, Upstream, Work
from srft_assets.warehouse.turn import NO_TURN

VERSION = 4
"""Raised when the output changes; see tools/versions.py."""

PROMPT_DESCRIPTION = """
The prompt and the settings of the critic `{name}`: all that decides its verdicts beside the runs.
Endpoint, concurrency, prices and this description decide nothing. Earlier versions stay in
`critic_versions`.

{description}
"""


def rules_stage(name: str = "rules", description: str = "") -> Stage:
    """`step_verdicts` of the critic that needs no model. It judges every run but crashed ones."""
    code: Code = {"version": VERSION, "rules": source_digest("srft_assets.critic.rules")}
    version = digest({"code": code, "config": {}})[:8]

    def make(work: Work) -> Made:
        crashed = crashed_runs(work.read("test_outcomes"))
        runs = work.read("trajectories").filter(~pl.col("trajectory_id").is_in(crashed))
        label = f"step_verdicts/{name} {work.partition}"
        rows = []
        for row in work.progress.track(runs.iter_rows(named=True), label, runs.height):
            run = from_row(row)
            rows += [verdict_row(run.trajectory_id, one, version) for one in judge(run)]
        frame = pl.DataFrame(rows, schema=STEP_VERDICTS, orient="row")
        return Made(frame, metadata=verdict_figures(frame))

    return Stage(
        key=f"step_verdicts/{name}",
        partitioned_by="batch",
        upstream=(Upstream("trajectories"), Upstream("test_outcomes")),
        schema=STEP_VERDICTS,
        code=code,
        make=make,
        apart=True,
        volatile=VOLATILE,
        kept=VERSIONS,
        description=description,
        kinds=frozenset({"python", "parquet"}),
    )


def deciding_settings(spec: LlmSpec) -> dict[str, Any]:
    """The settings that decide verdicts, with dotted names, and what counts tokens."""
    return spec.deciding() | {"context.tokenizer": counter_fingerprint(spec.context.tokenizer)}


def critic_version(spec: LlmSpec, prompt: Prompt) -> str:
    """8 hex digits of all that decides what a critic answers: its prompt and its settings."""
    return digest({"prompt": prompt.digest, "settings": deciding_settings(spec)})[:8]


def prompt_stage(name: str, spec: LlmSpec, prompt: Prompt) -> Stage:
    """The stage of one critic's prompt. It shows what `step_verdicts/<name>` reads for itself."""
    settings = deciding_settings(spec)
    version = critic_version(spec, prompt)
    row = {
        "version": version,
        "model": spec.model,
        "prompt": prompt.text,
        "settings": orjson.dumps(settings, option=orjson.OPT_SORT_KEYS).decode(),
        "sees_gold_patch": spec.sees.gold_patch,
    }

    def make(work: Work) -> Made:
        frame = pl.DataFrame([row], schema=CRITIC_PROMPTS)
        return Made(frame, metadata={"version": version, **_leak(spec)})

    return Stage(
        key=f"critic_prompt/{name}",
        partitioned_by="none",
        upstream=(),
        schema=CRITIC_PROMPTS,
        code={"version": VERSION},
        config={"prompt.md": prompt.text, **settings},
        make=make,
        volatile=("prompt", "settings", "model", "sees_gold_patch"),
        kept="critic_versions",
        on_request=True,
        description=PROMPT_DESCRIPTION.format(name=name, description=spec.description).strip(),
        kinds=frozenset({"jinja", "yaml"}),
    )


def _leak(spec: LlmSpec) -> dict[str, bool]:
    return {"sees the gold patch": True} if spec.sees.gold_patch else {}


def llm_stage(name: str, spec: LlmSpec, prompt: Prompt) -> Stage:
    """`step_verdicts` of a critic that asks a model.

    Every answer is kept in the ledger as it comes, whatever becomes of the run.
    """

    def config_of(home: Home, batch: str) -> dict[str, str]:
        if not spec.sees.gold_patch:
            return {}
        return {"gold patches": digest(gold_patches(home, batch))}

    return Stage(
        key=f"step_verdicts/{name}",
        partitioned_by="batch",
        upstream=(
            Upstream("trajectories"),
            Upstream("test_outcomes"),
            Upstream(f"critic_prompt/{name}", mapping="whole", decides=False),
        ),
        schema=STEP_VERDICTS,
        code={"version": VERSION},
        config={"prompt.md": prompt.deciding, **deciding_settings(spec)},
        config_of=config_of,
        make=lambda work: _make(name, spec, prompt, work),
        estimate=lambda planned: _estimate(name, spec, prompt, planned),
        count=lambda planned: count(spec, prompt, planned.home, planned.partition),
        preview=lambda home, batch, run: _messages(spec, prompt, home, batch, run),
        trial=Trial(
            subjects=lambda home, batch: _judged_ids(spec, home, batch),
            make=lambda work, runs: _make(name, spec, prompt, work, runs),
        ),
        volatile=VOLATILE,
        kept=VERSIONS,
        on_request=True,
        watches={
            "runs_graded": partial(runs_graded, name, spec),
            "steps_labelled": partial(steps_labelled, name),
        },
        pool="critic",
        description=spec.description,
        kinds=frozenset({"openai", "parquet"}),
    )


def _judged_ids(spec: LlmSpec, home: Home, batch: str) -> list[str]:
    """Runs of a batch that would be judged, as far as it is graded."""
    warehouse = Warehouse(home.warehouse)
    if warehouse.stamp("test_outcomes", batch) is None:
        return []
    outcomes = warehouse.read("test_outcomes", batch, ["trajectory_id", "status", "grader"])
    return judged_outcomes(spec, outcomes)["trajectory_id"].to_list()


def _make(
    name: str, spec: LlmSpec, prompt: Prompt, work: Work, only: Collection[str] | None = None
) -> Made:
    """The verdicts of a batch; of `only` these runs for a trial, which changes no prompt shown."""
    from srft_assets.critic.asking import ask_model  # a plan needs neither the SDK nor a database
    from srft_assets.critic.asking_jobs import Came, ask_in_batches
    from srft_assets.critic.ledger import Ledger
    from srft_assets.critic.spending import left_of_life
    from srft_assets.project.settings import settings

    version = critic_version(spec, prompt)
    outcomes = judged_outcomes(spec, work.read("test_outcomes"))
    if only is None:
        _show_prompt(prompt_stage(name, spec, prompt), work)
    else:
        outcomes = outcomes.filter(pl.col("trajectory_id").is_in(list(only)))
    runs = work.read("trajectories")
    judged = partial(judged_runs, spec, work.home, work.partition, runs, outcomes)
    came = Came()
    with Ledger(work.home) as ledger, calls_written(work.home, name, work.partition):
        if only is None:  # a trial is not to wait
            came = ask_in_batches(name, partial(Batch, spec, prompt, ledger), judged, work)
        batch = Batch(spec, prompt, ledger, paid=came.paid)
        paid = ask_model(name, batch, judged(), work, outcomes.height, came.failures)
    rows = [
        verdict_row(run.trajectory_id, verdict, version, run.cut[verdict.step_index])
        for run in batch.runs
        for verdict in sorted(run.verdicts, key=lambda one: one.step_index)
    ]
    frame = pl.DataFrame(rows, schema=STEP_VERDICTS, orient="row")
    refusals = [
        Refusal(f"trajectories/{work.partition}", reason, subject=trajectory_id)
        for trajectory_id, reason in batch.refused.items()
    ]
    still = left_of_life(work.home, name, settings())
    figures = {
        "runs_judged": len(batch.runs),
        "calls_answered_by_ledger": batch.answered - came.paid,
        "calls_paid": paid + came.paid,
        **{f"answers_{kind}": count for kind, count in sorted(batch.bad.items())},
        "steps_shown_in_part": frame.filter(pl.col("tokens_cut") > 0).height,
        "tasks_shown_in_part": sum(run.cut[None] > 0 for run in batch.runs),
        **{f"{unit} left in the critic's life": rest for unit, rest in still.items()},
        **_leak(spec),
        **verdict_figures(frame),
    }
    return Made(frame, refusals, figures)


def _show_prompt(stage: Stage, work: Work) -> None:
    """Let `critic_prompt/<name>` and its history show the prompt that is used, whoever asked."""
    recipe = recipe_of(stage, work.home, work.warehouse, ONLY)
    shown = work.warehouse.stamp(stage.key)
    if shown is None or shown.fingerprint != recipe.fingerprint:
        make_partition(stage, replace(work, partition=ONLY, recipe=recipe, turn=NO_TURN))


def _messages(
    spec: LlmSpec, prompt: Prompt, home: Home, batch: str, trajectory_id: str
) -> Iterator[tuple[str, str]]:
    """Role and text of every message about one run, judged or not. Raises TooLongError."""
    warehouse = Warehouse(home.warehouse)
    runs, outcomes = (
        warehouse.read(key, batch).filter(trajectory_id=trajectory_id)
        for key in ("trajectories", "test_outcomes")
    )
    for judged in judged_runs(spec, home, batch, runs, outcomes):
        for request in requests_for(spec, prompt, judged.run, judged.seen).requests:
            for message in request.body["messages"]:
                yield message["role"], message["content"]


def _estimate(name: str, spec: LlmSpec, prompt: Prompt, planned: Planned) -> Cost:
    """What labelling a batch would take, by the runs, steps and characters of its partition.

    As if all runs were alike. The ledger is taken to know every answer where verdicts with the
    same settings and inputs were made before, and none where they were not.
    """
    runs, outcomes = (
        planned.warehouse.stamp(key, planned.partition) for key in ("trajectories", "test_outcomes")
    )
    if runs is None or outcomes is None or not runs.rows:
        return Cost(exact=False)
    judged = runs.rows
    if spec.judge == "failed":
        judged = round(sum(outcomes.figures.get(str(status), 0) for status in FAILED))
    share = judged / runs.rows
    steps = round(runs.figures.get("steps", 0) * share)
    tokens = tokens_of(round(runs.figures.get("characters", 0) * share))
    in_windows = max(judged, -(-tokens // spec.context.tokens))
    calls = {
        "whole": judged if spec.too_long == "unlabeled" else in_windows,
        "windows": in_windows,
        "steps": steps,
    }[spec.reading]
    made = History(planned.home, f"step_verdicts/{name}", VERSIONS, planned.partition)
    if planned.recipe and made.holds(planned.recipe):
        return Cost(calls=calls, answered=calls, exact=False)
    shown = min(tokens // max(judged, 1), spec.context.tokens)
    tokens = shown * calls if spec.reading == "steps" else tokens
    tokens = min(tokens + calls * tokens_of(len(prompt.text)), calls * spec.context.tokens)
    usd = spec.endpoint.usd(tokens, steps * spec.sampling.max_tokens_per_step)
    return Cost(calls=calls, tokens_to_label=tokens, usd=usd, exact=False)


def count(spec: LlmSpec, prompt: Prompt, home: Home, batch: str) -> Cost:
    """What labelling a batch would take now. Renders every prompt: the ledger knows requests.

    An answer that turns out bad costs one call more; what a batch of a provider holds is paid for.
    """
    from srft_assets.critic.jobs import Jobs
    from srft_assets.critic.ledger import Ledger

    warehouse = Warehouse(home.warehouse)
    runs, outcomes = (warehouse.read(key, batch) for key in ("trajectories", "test_outcomes"))
    judged = judged_runs(spec, home, batch, runs, judged_outcomes(spec, outcomes))
    with Ledger(home) as ledger:
        seen = Batch(spec, prompt, ledger)
        asked = [(one.request.key, len(one.request.steps), one.tokens) for one in seen.open(judged)]
    held = Jobs(home).holding({key for key, _, _ in asked})
    to_pay = [one for one in asked if one[0] not in held]
    tokens = sum(tokens for _, _, tokens in to_pay)
    steps = sum(steps for _, steps, _ in to_pay)
    return Cost(
        calls=seen.answered + len(asked),
        answered=seen.answered + len(asked) - len(to_pay),
        tokens_to_label=tokens,
        usd=spec.endpoint.usd(tokens, steps * spec.sampling.max_tokens_per_step),
    )


UNLABELED_SHARE = 0.05
"""More steps without a label than this are no accident."""


def runs_graded(
    critic: str, spec: LlmSpec, home: Home, warehouse: Warehouse, batches: Sequence[str]
) -> Said | None:
    """Runs that a critic of failed runs cannot judge, because nobody said whether they failed."""
    if spec.judge == "all":
        return None
    ungraded: dict[str, int] = {}
    runs = 0
    for batch in batches:
        stamp = warehouse.stamp("test_outcomes", batch)
        if stamp and (count := round(stamp.figures.get(str(Status.UNKNOWN), 0))):
            ungraded[batch] = count
            runs += stamp.rows
    if not ungraded:
        return None
    first = next(iter(ungraded))
    count = sum(ungraded.values())
    return Said(
        f"{count:,} of {runs:,} runs in {some(list(ungraded))} are ungraded: nobody said whether "
        f"they failed, and the critic {critic} judges failed runs only; grade them with `srft "
        f"grade {first}`, attach reports with `srft ingest REPORTS --batch {first}`, or state "
        "`judge: all` in the critic's YAML"
    )


def steps_labelled(
    critic: str, home: Home, warehouse: Warehouse, batches: Sequence[str]
) -> Said | None:
    """Steps that the critic was asked for, and that have no label."""
    asset = f"step_verdicts/{critic}"
    unlabeled: dict[str, int] = {}
    steps = runs = 0
    for batch in batches:
        if stamp := warehouse.stamp(asset, batch):
            steps += stamp.rows
            if count := round(stamp.rows * stamp.figures.get("share_unlabeled", 0)):
                unlabeled[batch] = count
                runs += len({refusal.subject for refusal in stamp.refused})
    if not unlabeled:
        return None
    count = sum(unlabeled.values())
    whole = f"; {runs:,} {'run' if runs == 1 else 'runs'} could not be judged" if runs else ""
    return Said(
        f"{count:,} of {steps:,} steps ({count / steps:.1%}) in {some(list(unlabeled))} have no "
        f"label of the critic {critic}{whole}; why: `srft sql unanswered_reasons`",
        warns=count / steps > UNLABELED_SHARE,
    )
