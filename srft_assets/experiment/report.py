"""The experiment, from nothing to its report: arms of a project of its own, made by the engine;
then `report.md`, its plots and its scores, from the `eval_scores` of the conditions alone.
"""

import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path

import polars as pl

from srft_assets.compare.rates import wilson_interval
from srft_assets.errors import SrftError
from srft_assets.experiment import Regime
from srft_assets.experiment.design import (
    ARMS,
    BASE,
    BATCH,
    FULL,
    NEEDED,
    SHIPPED,
    Condition,
    Design,
    Form,
    Teacher,
    arm_name,
    arms_of,
    set_name,
    write_project,
    write_set,
)
from srft_assets.experiment.findings import (
    by_seed,
    differences,
    draw_arms,
    draw_f1,
    draw_share,
    findings,
    levels,
    levels_of,
    markdown,
    of_series,
    percent,
    rate_in,
    rates,
    span,
)
from srft_assets.files import place
from srft_assets.home import Home
from srft_assets.trajectories.batches import LAB, write_batch

Apply = Callable[[Sequence[str], Sequence[str]], Mapping[str, Sequence[str]]]
"""Makes assets of the project with these seeds, and all they need, where they are out of sync;
answers with the partitions that were made, by asset."""
PACKAGES = ("srft-assets", "torch", "transformers", "trl", "mini-swe-agent", "polars", "duckdb")
SHOWN_ARMS = (BASE, *ARMS)
SCORES = pl.Schema(
    {
        "series": pl.String,
        "arm": pl.String,
        "x": pl.Float64,
        "seed": pl.Int64,
        "instance_id": pl.String,
        "status": pl.String,
        "exit_status": pl.String,
        "n_steps": pl.Int64,
        "resolved": pl.Boolean,
    }
)
"""One row a held-out task, seed and place in the report; `resolved` is null where the machine
failed. `arm` is the name in the report. `x` is the F1 or the share of failed runs, where the
series has one."""


def reproduce(home: Home, form: Form, regime: Regime, command: str, apply: Apply) -> Path:
    """Make what is out of sync of every condition, then the report; its path.

    `home` is the experiment's own, so that its arms are in no other graph. Stopped at any moment,
    the same call goes on. Raises SrftError where a run of the engine fails.
    """
    began, code = time.monotonic(), commit()
    write_batch(home, BATCH, LAB, regime.batch_settings(form.runs))
    write_project(home, {})
    apply(NEEDED, [])
    teacher = Teacher(home)
    check_outcomes(teacher.outcomes)
    for share, seed in product(form.moved, range(form.seeds)):
        write_set(home, set_name(share, seed), teacher.moved(share, seed))
    design = Design(form, regime, teacher)
    conditions = [*design.by_steps(), *design.by_f1(), *design.by_share()]
    write_project(home, arms_of(conditions))
    apply([f"masked_tokens/{arm}" for arm in arms_of(conditions)], [])
    if form.same_tokens:
        conditions += design.by_tokens()
        write_project(home, arms_of(conditions))
    made = 0
    for seed in range(form.seeds):
        arms = arms_of(one for one in conditions if one.seed == seed)
        scores = apply([f"eval_scores/{arm}" for arm in arms], [str(seed)])
        made += sum(len(names) for key, names in scores.items() if key.startswith("eval_scores/"))
    ran = Ran(command, time.monotonic() - began, made, code)
    return write_report(design, conditions, home.root, ran)


def check_outcomes(outcomes: pl.DataFrame) -> None:
    """Raises SrftError where the grading of the teacher's runs failed for the machine's reasons."""
    bad = outcomes.filter(pl.col("status").is_in(["infra_error", "timeout", "unknown"]))
    if bad.height:
        run, status, reason = bad.select("trajectory_id", "status", "reason").row(0)
        raise SrftError(
            f"{bad.height} of the teacher's runs were not graded ({run}: {status}, {reason}): "
            "remove warehouse/test_outcomes from the folder and start again"
        )


def commit() -> str:
    """The commit of the checkout, and whether files differ from it; `unknown` outside of one."""
    folder = SHIPPED.parent.parent
    try:
        head = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}, with changes" if changed else head


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@dataclass(frozen=True, slots=True)
class Ran:
    """The command, its wall time, the evaluations that it made, the commit of its code."""

    command: str
    seconds: float
    made: int
    commit: str


def write_report(design: Design, conditions: Sequence[Condition], out: Path, ran: Ran) -> Path:
    """Write `report.md`, PNGs, `scores.parquet`, `scores.csv`, `cells.csv` into `out`.

    Raises FileNotFoundError where a condition was not evaluated.
    """
    scores, cells = score_frame(design, conditions), cell_frame(design, conditions)
    scores.write_parquet(out / "scores.parquet")
    scores.write_csv(out / "scores.csv")
    cells.write_csv(out / "cells.csv")
    draw(scores, design.teacher.f1(design.teacher.rules), out)
    text = "\n\n".join(sections_of(scores, cells, design, ran)) + "\n"
    place(out / "report.md", text.encode())
    return out / "report.md"


def score_frame(design: Design, conditions: Sequence[Condition]) -> pl.DataFrame:
    frames = []
    for one in conditions:
        rows = design.teacher.warehouse.read(f"eval_scores/{one.arm}", str(one.seed))
        frames.append(
            rows.with_columns(
                series=pl.lit(one.series),
                arm=pl.lit(one.level),
                x=pl.lit(one.x, pl.Float64),
                seed=pl.lit(one.seed),
            )
            .select(SCORES.names())
            .cast(SCORES)
        )
    return pl.concat(frames)


def cell_frame(design: Design, conditions: Sequence[Condition]) -> pl.DataFrame:
    """One row a condition: what was trained, and the rate.

    `name` is `<arm>/<seed>` in the warehouse. `rate` is of the tasks that the machine did not fail
    at; null where there are none.
    """
    warehouse, rows = design.teacher.warehouse, []
    for one in conditions:
        scores = warehouse.read(f"eval_scores/{one.arm}", str(one.seed))["resolved"]
        trained = warehouse.read(f"checkpoints/{one.arm}", str(one.seed)).row(0, named=True)
        rows.append(
            {
                "series": one.series,
                "arm": one.level,
                "x": one.x,
                "seed": one.seed,
                "name": f"{one.arm}/{one.seed}",
                "optimizer_steps": trained["steps"],
                "rows": trained["rows"],
                "trained_tokens": trained["trained_tokens"],
                "final_loss": trained["final_loss"],
                "tasks": scores.len(),
                "resolved": scores.sum(),
                "rate": scores.mean(),
                "train_seconds": trained["seconds"],
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def draw(scores: pl.DataFrame, critic_f1: float, out: Path) -> None:
    """The three plots. `critic_f1`: of the rules critic's labels."""
    steps, f1, share = (of_series(scores, name) for name in ("steps", "f1", "share"))
    rate = {arm: rate_in(steps, arm) for arm in SHOWN_ARMS}
    draw_arms(rate, {arm: by_seed(steps, arm) for arm in SHOWN_ARMS}, out / "arms.png")
    curve = {x: rate_in(f1, level) for level, x in levels_of(f1)}
    critic = (critic_f1, rate["srft"])
    draw_f1(curve, rate["rft"], critic, rate["sft"], out / "f1.png")
    draw_share({x: rate_in(share, level) for level, x in levels_of(share)}, out / "share.png")


def sections_of(scores: pl.DataFrame, cells: pl.DataFrame, design: Design, ran: Ran) -> list[str]:
    """All of the report, a block an element. `scores` of all series."""
    steps, tokens, f1, share = (
        of_series(scores, name) for name in ("steps", "tokens", "f1", "share")
    )
    sections = ["# Masking mistakes or throwing failed runs away: the experiment"]
    if design.form != FULL:
        sections.append("Not the full form: these numbers are no finding.")
    sections += ["## What was found", findings(scores), RULE, "## Design", _design(design)]
    sections += ["## Arms with the same number of optimizer steps", "![Arms](arms.png)"]
    sections += [*_arms(steps, SHOWN_ARMS), NOTE]
    if tokens.height:
        sections.append("## Arms with about the same number of trained tokens")
        sections += _arms(tokens, tuple(ARMS))
    with_rft = pl.concat([f1, steps.filter(pl.col("arm") == "rft")])
    f1_names = {"rft": "rft", **{level: f"F1 {x:.2f}" for level, x in levels_of(f1)}}
    share_names = {level: f"{x:.0%} failed" for level, x in levels_of(share)}
    sections += ["## How good the labels must be", "![Score against F1](f1.png)"]
    sections.append(levels(with_rft, f1_names, "rft"))
    sections += ["## How many failed runs", "![Score against the share of failed runs](share.png)"]
    sections.append(levels(share, share_names, "0.00"))
    sections += ["## What was trained on", _runs(design), _trained(design, bool(tokens.height))]
    failures = scores["resolved"].null_count()
    sections += [TOKENS, "## How it was made", _made(cells, design, ran, failures)]
    return sections


def _arms(scores: pl.DataFrame, arms: tuple[str, ...]) -> list[str]:
    found = [rates(scores, arms)]
    for reference in ("rft", "sft"):
        pairs = [(arm, reference) for arm in arms if arm != reference]
        found += [f"Against {reference}:", differences(scores, pairs)]
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


def _design(design: Design) -> str:
    regime, form = design.regime, design.form
    seeds = ", ".join(map(str, range(form.seeds)))
    return f"""\
- {design.tasks} held-out tasks of seed {regime.held_out_seed}, which was stated before any cell \
of this report was trained; no model had played them.
- Runs, steps and temperature were chosen on tasks of seed {regime.development_seed}, among other \
reasons because arms differed there and the teacher's labels led (docs/lab.md): a lead of theirs \
here is partly by choice of the regime. The training tasks were chosen among seeds for the share \
of runs that the teacher resolves.
- One set of teacher runs: what another set would give is in no interval.
- {form.seeds} seeds of training and sampling ({seeds}); the data, the base model and the tasks \
are the same for all.
- {design.steps} optimizer steps of {regime.batch_size} runs, learning rate \
{regime.learning_rate:g} (warm-up {regime.warmup_ratio:g}, then cosine), all weights; the same \
base model for all arms.
- Played at temperature {regime.temperature:g}, at most {regime.step_limit} steps of \
{regime.max_new_tokens} tokens.
- `srft`, `unresolved_masked`, `random_mask` and `inverted_mask` use the rules critic, `oracle` \
the teacher's own labels.
- A label of lower F1 is the teacher's own where the label `mistake` of some steps went to as \
many other steps of failed runs, drawn at random. The rules critic errs otherwise: its point need \
not lie on that curve.
- Every share of failed runs has as many runs as are resolved, drawn anew with each seed; \
`oracle` has all."""


def _runs(design: Design) -> str:
    """Runs, outcomes, labels and the rules critic's F1, a line each."""
    teacher = design.teacher
    resolved, failed = len(teacher.resolved), len(teacher.failed)
    runs = resolved + failed
    low, high = wilson_interval(resolved, runs) or (0.0, 1.0)
    counts = dict(teacher.oracle["label"].value_counts().iter_rows())
    named = ("good", "unnecessary", "mistake", "recover")
    labels = ", ".join(f"{counts[name]} {name}" for name in named if name in counts)
    return (
        f"- {runs} runs of the scripted teacher, one a task; {resolved} resolved "
        f"({percent(resolved / runs)}%, 95% Wilson {span(low, high)}), {failed} failed.\n"
        f"- Steps of the failed runs by the teacher's own labels: {labels}.\n"
        f"- The rules critic's F1 for `mistake` there: {teacher.f1(teacher.rules):.3f}."
    )


def _trained(design: Design, same_tokens: bool) -> str:
    """What each arm trains on, with its first seed."""
    rows = []
    drawn = design.steps * design.regime.batch_size
    for arm in ARMS:
        one = design.teacher.facts(arm_name(arm, 0))
        rows.append(
            (
                arm,
                str(one.runs),
                f"{one.resolved / one.runs:.2f}",
                f"{one.tokens:,}",
                f"{one.trained:,}",
                f"{one.masked:,}",
                str(one.steps_masked),
                f"{drawn / one.used:.1f}",
                f"{drawn * one.trained_a_run:,.0f}",
                str(design.token_steps(arm, 0)) if same_tokens else "",
            )
        )
    counts = ("runs", "resolved", "tokens", "trained", "masked", "steps masked", "epochs")
    return markdown(("arm", *counts, "trained in all", "steps for the same"), rows)


def _made(cells: pl.DataFrame, design: Design, ran: Ran, failures: int) -> str:
    trainings = cells.unique("name")
    cores = len(os.sched_getaffinity(0))
    machine = f"{cores} {platform.machine()} core{'s' if cores > 1 else ''}"
    packages = (f"{name} {version(name)}" for name in PACKAGES)
    versions = ", ".join([f"Python {platform.python_version()}", *packages])
    return f"""\
- Command: `{ran.command}`
- Commit: {ran.commit}
- {machine}.
- {trainings.height} trainings and their evaluations: {duration(sum(trainings["train_seconds"]))} \
of training. Attempts that the machine failed: {failures}.
- Wall time of this command: {duration(ran.seconds)}; it made {ran.made} evaluations.
- {versions}
- Regime: `{design.regime.model_dump_json()}`
- All scores: `scores.parquet`, `scores.csv`; a row a training: `cells.csv`."""


def duration(seconds: float) -> str:
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"
