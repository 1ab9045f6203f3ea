"""The report as blocks of Markdown: findings, design, tables, how it was made."""

from dataclasses import dataclass

import polars as pl

from srft_assets.experiment.bench import Bench
from srft_assets.experiment.design import ARMS, BASE, FULL
from srft_assets.experiment.facts import arm_table, run_lines
from srft_assets.experiment.findings import findings
from srft_assets.experiment.machine import duration, machine, versions
from srft_assets.experiment.plan import token_steps
from srft_assets.experiment.tables import (
    difference_table,
    differences,
    levels,
    of_series,
    rates,
)

SHOWN_ARMS = (BASE, *ARMS)


@dataclass(frozen=True, slots=True)
class Ran:
    """How this report came about."""

    command: str
    workers: int
    seconds: float
    new_cells: int
    commit: str
    """Of the code that ran."""


def levels_of(scores: pl.DataFrame) -> list[tuple[str, float]]:
    """Names of a series' levels and their x, ascending."""
    return scores.select("arm", "x").unique().sort("x").rows()


def sections_of(scores: pl.DataFrame, cells: pl.DataFrame, bench: Bench, ran: Ran) -> list[str]:
    """All of the report, a block an element. `scores` in the schema SCORES, of all series."""
    steps, tokens = of_series(scores, "steps"), of_series(scores, "tokens")
    sections = ["# Masking mistakes or throwing failed runs away: the experiment"]
    if bench.form != FULL:
        sections.append("Not the full form: these numbers are no finding.")
    sections += ["## What was found", findings(scores), RULE, *_design(bench)]
    sections += ["## Arms with the same number of optimizer steps", "![Arms](arms.png)"]
    sections += [*_arms(steps, SHOWN_ARMS), NOTE]
    if tokens.height:
        sections += ["## Arms with about the same number of trained tokens"]
        sections += _arms(tokens, tuple(ARMS))
    f1, share = of_series(scores, "f1"), of_series(scores, "share")
    f1_names = {arm: f"F1 {x:.2f}" for arm, x in levels_of(f1)}
    share_names = {arm: f"{100 * x:.0f}% failed" for arm, x in levels_of(share)}
    sections += ["## How good the labels must be", "![Score against F1](f1.png)"]
    sections += [levels(with_arm(f1, steps, "rft"), {"rft": "rft", **f1_names}, "rft")]
    sections += ["## How many failed runs", "![Score against the share of failed runs](share.png)"]
    sections += [levels(share, share_names, "0.00")]
    machine_failures = scores["resolved"].null_count()
    sections += ["## What was trained on", "\n".join(run_lines(bench))]
    sections += [arm_table(bench, token_steps(bench) if tokens.height else {}), TOKENS]
    sections += ["## How it was made", _made(cells, bench, ran, machine_failures)]
    return sections


def with_arm(levels_scores: pl.DataFrame, steps: pl.DataFrame, arm: str) -> pl.DataFrame:
    """The scores of a series and, beside them, those of an arm to compare its levels with."""
    return pl.concat([levels_scores, steps.filter(pl.col("arm") == arm)])


def _arms(scores: pl.DataFrame, arms: tuple[str, ...]) -> list[str]:
    found = [rates(scores, arms)]
    for reference in ("rft", "sft"):
        pairs = [(arm, reference) for arm in arms if arm != reference]
        found += [f"Against {reference}:", difference_table(differences(scores, pairs))]
    return found


RULE = (
    "With the same number of optimizer steps, where nothing else is said; intervals are 95% "
    "bootstrap. A difference is told where its p-value is below 0.05, corrected after Holm over "
    "all of these lines; the sentences are made from the numbers by fixed rules."
)
TOKENS = (
    "Tokens of the rows, each counted once. `masked`: tokens of assistant turns without loss, in "
    "so many steps. `trained in all`: tokens with loss over all optimizer steps. `steps for the "
    "same`: optimizer steps that give as many of them as `rft` has."
)
NOTE = (
    "Bootstrap intervals are over tasks and seeds together. Wilson's and McNemar's take every "
    "attempt as independent, which those of different seeds at one task are not: the intervals are "
    "too narrow and the p-values too small. Few seeds say little of their own spread. `can show`: "
    "the smallest difference, in points, that is found four times in five at the first step of "
    "Holm's correction. `one alone`: pairs of task and seed that only the one arm resolves, and "
    "only the other."
)


def _design(bench: Bench) -> list[str]:
    regime, form = bench.regime, bench.form
    return [
        "## Design",
        "\n".join(
            [
                f"- {bench.tasks_count} held-out tasks of seed {regime.held_out_seed}, which was "
                "stated before any cell of this report was trained; no model had played them.",
                "- Runs, steps and temperature were chosen on tasks of seed "
                f"{regime.development_seed}, among other reasons because arms differed there and "
                "the teacher's labels led (docs/lab.md): a lead of theirs here is partly by "
                "choice of the regime. The training tasks were chosen among seeds for the share of "
                "runs that the teacher resolves.",
                "- One set of teacher runs: what another set would give is in no interval.",
                f"- {form.seeds} seeds of training and sampling ({_listed(form.seeds)}); the data, "
                "the base model and the tasks are the same for all.",
                f"- {bench.steps} optimizer steps of {regime.batch_size} runs, learning rate "
                f"{regime.learning_rate:g} (warm-up {regime.warmup_ratio:g}, then cosine), all "
                "weights; the same base model for all arms.",
                f"- Played at temperature {regime.temperature:g}, at most {regime.step_limit} "
                f"steps of {regime.max_new_tokens} tokens.",
                "- `srft`, `unresolved_masked`, `random_mask` and `inverted_mask` use the rules "
                "critic, `oracle` the teacher's own labels.",
                "- A label of lower F1 is the teacher's own where the label `mistake` of some "
                "steps went to as many other steps of failed runs, drawn at random. The rules "
                "critic errs otherwise: its point need not lie on that curve.",
                "- Every share of failed runs has as many runs as are resolved, drawn anew with "
                "each seed; `oracle` has all.",
            ]
        ),
    ]


def _listed(seeds: int) -> str:
    return ", ".join(map(str, range(seeds)))


def _made(cells: pl.DataFrame, bench: Bench, ran: Ran, failures: int) -> str:
    worked = cells.unique("name").select(pl.sum("train_seconds"), pl.sum("play_seconds")).row(0)
    made = cells["name"].n_unique()
    return "\n".join(
        [
            f"- Command: `{ran.command}`",
            f"- Commit: {ran.commit}",
            f"- {machine()}, {ran.workers} workers of one thread.",
            f"- {made} cells: {duration(worked[0])} of training and {duration(worked[1])} of "
            f"playing, all workers together. Attempts that the machine failed: {failures}.",
            f"- Wall time of this command: {duration(ran.seconds)}; it made {ran.new_cells} cells.",
            f"- {versions()}",
            f"- Regime: `{bench.regime.model_dump_json()}`",
            "- All scores: `scores.parquet`, `scores.csv`; a row a training: `cells.csv`.",
        ]
    )
