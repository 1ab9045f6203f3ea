"""A small warehouse whose every figure can be counted by hand.

Four runs in two batches. Batch `real`: `one` (django, resolved, 4 steps), `two` (django,
unresolved, 5 steps), `three` (sympy, grading failed, 1 step). Batch `lab`: `four` (empty
patch, 2 steps, tools that take JSON). Critics `rules` and `strict`, arms `sft` and `srft`.
"""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from srft_assets.compare import compare_arms
from srft_assets.compare.schema import PAIRS
from srft_assets.critic.gold.labels import GOLD_LABELS
from srft_assets.critic.llm.prompt_stage import CRITIC_PROMPTS
from srft_assets.critic.scores.schema import CRITIC_SCORES
from srft_assets.critic.scores.table import scores
from srft_assets.critic.verdict import STEP_VERDICTS
from srft_assets.home import Home
from srft_assets.outcomes.model import TEST_OUTCOMES
from srft_assets.refusal import Refusal
from srft_assets.rollouts.schema import EVAL_SCORES
from srft_assets.tokens.schema import MASKED_TOKENS
from srft_assets.training.schema import CHECKPOINTS
from srft_assets.trajectories.schema import TRAJECTORIES
from srft_assets.warehouse.content import data_version
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stamp import Stamp
from srft_assets.warehouse.store import Warehouse

BASE_MODELS = pl.Schema(
    {
        "name": pl.String,
        "path": pl.String,
        "architecture": pl.String,
        "parameters": pl.Int64,
        "vocabulary": pl.Int32,
        "final_loss": pl.Float64,
        "seconds": pl.Float64,
    }
)
SCHEMAS = {
    "trajectories": TRAJECTORIES,
    "test_outcomes": TEST_OUTCOMES,
    "critic_prompt": CRITIC_PROMPTS,
    "critic_versions": CRITIC_PROMPTS,
    "step_verdicts": STEP_VERDICTS,
    "verdict_versions": STEP_VERDICTS,
    "gold_labels": GOLD_LABELS,
    "critic_scores": CRITIC_SCORES,
    "base_models": BASE_MODELS,
    "masked_tokens": MASKED_TOKENS,
    "checkpoints": CHECKPOINTS,
    "eval_scores": EVAL_SCORES,
    "eval_trajectories": TRAJECTORIES,
    "comparison": PAIRS,
}
OTHER_SCHEMAS = {**SCHEMAS, "step_verdicts": pl.Schema({**STEP_VERDICTS, "x": pl.Int32})}
"""As of another version of the platform."""

ONE, TWO = "django__django-1.aaaaaaaaaaaa", "django__django-2.bbbbbbbbbbbb"
THREE, FOUR = "sympy__sympy-3.cccccccccccc", "lab__words-7-0004.dddddddddddd"

COMMANDS = {
    ONE: ["cd /testbed && grep -rn foo .", "sed -i s/a/b/ x.py", "python -m pytest", "submit"],
    TWO: ["ls", "sed -i s/c/d/ y.py", "git checkout y.py", "sed -i s/c/e/ y.py", "submit"],
    THREE: ["ls"],
    FOUR: ['{"command":"view","path":"/a"}', '{"command":"str_replace","path":"/a"}'],
}
RULES = {
    ONE: ["good", "good", "good", "good"],
    TWO: ["good", "mistake", "recover", "mistake", "mistake"],
    THREE: ["unnecessary"],
    FOUR: ["good", "mistake"],
}
STRICT = {**RULES, ONE: ["good", "mistake", "recover", "good"], TWO: ["good"] + ["mistake"] * 4}
GOLD = {
    "ann": {ONE: ["good", "good", "good", None], TWO: ["good", "mistake", "recover", "good"]},
    "bob": {TWO: ["good", "mistake", "mistake", "good"]},
}
STATUS = {ONE: "resolved", TWO: "unresolved", THREE: "infra_error", FOUR: "empty_patch"}
BATCHES = {"real": [ONE, TWO, THREE], "lab": [FOUR]}
ATTEMPTS = {
    ("sft", "0"): [True, False, False, None],
    ("sft", "1"): [True, False, True, False],
    ("srft", "0"): [True, True, False, False],
    ("srft", "1"): [True, True, True, None],
}
REFUSAL = Refusal(
    source="broken/\x1b[31m.traj.json",
    reason="not JSON: line 1 column 7; remove it or repair it",
    row=3,
    subject="a\0b",
    excerpt='{"x": [bold]',
)


def put(
    warehouse: Warehouse,
    asset: str,
    partition: str,
    frame: pl.DataFrame,
    *,
    recipe: Recipe | None = None,
    refused: tuple[Refusal, ...] = (),
) -> Stamp:
    """Write a partition with an honest stamp."""
    recipe = recipe or Recipe(code={"x": "1"}, config={"k": 2}, inputs={})
    stamp = Stamp(
        recipe=recipe,
        fingerprint=recipe.fingerprint,
        data_version=data_version(frame),
        rows=frame.height,
        run_id="run-1",
        made_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).isoformat(timespec="milliseconds"),
        refused=refused,
    )
    warehouse.write(asset, partition, frame, stamp)
    return stamp


def _frame(rows: list[dict[str, Any]], schema: pl.Schema) -> pl.DataFrame:
    """Rows in a schema; columns that a row does not name are None."""
    return pl.DataFrame([{**dict.fromkeys(schema), **row} for row in rows], schema=schema)


def trajectories(batch: str) -> pl.DataFrame:
    """The runs of a batch."""
    rows = []
    for run in BATCHES[batch]:
        steps = [
            {
                "step_index": index,
                "message_index": 2 + 2 * index,
                "thought": f"thought {index}",
                "actions": [{"tool": _tool(command), "command": command, "call_id": None}],
                "observations": ["seen"],
                "return_codes": [1 if command.startswith("python") else 0],
            }
            for index, command in enumerate(COMMANDS[run])
        ]
        rows.append(
            {
                "trajectory_id": run,
                "instance_id": run.rpartition(".")[0],
                "batch": batch,
                "scaffold": "openhands" if batch == "lab" else "mini-swe-agent",
                "format": "x",
                "model": "m",
                "source_resolved": run == ONE,
                "messages": "[]",
                "source": "f.json",
                "source_row": 0,
                "n_steps": len(steps),
                "steps": steps,
            }
        )
    return _frame(rows, TRAJECTORIES)


def _tool(command: str) -> str:
    return "str_replace_editor" if command.startswith("{") else "bash"


def _verdicts(labels: dict[str, list[str]], batch: str) -> pl.DataFrame:
    rows = [
        {"trajectory_id": run, "step_index": index, "label": label, "reason": "because"}
        for run in BATCHES[batch]
        for index, label in enumerate(labels[run])
    ]
    return _frame(rows, STEP_VERDICTS)


def gold() -> pl.DataFrame:
    """The gold set `people`: seven labelled steps of two runs, one of them a tie."""
    rows = [
        {"set": "people", "trajectory_id": run, "step_index": index, "label": label}
        | {"annotator": annotator, "note": ""}
        for annotator, runs in GOLD.items()
        for run, labels in runs.items()
        for index, label in enumerate(labels)
    ]
    return _frame(rows, GOLD_LABELS)


def _tokens(arm: str, batch: str) -> pl.DataFrame:
    """Each run: 10 tokens of context, then 4 a step."""
    rows = []
    for run in BATCHES[batch]:
        labels = RULES[run]
        masked = [arm == "srft" and label == "mistake" for label in labels]
        rows.append(
            {
                "trajectory_id": run,
                "instance_id": run.rpartition(".")[0],
                "status": STATUS[run],
                "input_ids": list(range(10 + 4 * len(labels))),
                "spans": [
                    {
                        "step_index": index,
                        "start": 10 + 4 * index,
                        "end": 14 + 4 * index,
                        "trained": not masked[index],
                        "label": label if arm == "srft" else None,
                    }
                    for index, label in enumerate(labels)
                ],
                "n_tokens": 10 + 4 * len(labels),
                "n_trained": 4 * (len(labels) - sum(masked)),
                "n_masked": 4 * sum(masked),
            }
        )
    return _frame(rows, MASKED_TOKENS)


def _scores(arm: str, seed: str) -> pl.DataFrame:
    rows = [
        {
            "instance_id": f"lab__held-9-{task:04d}",
            "attempt": 0,
            "trajectory_id": f"lab__held-9-{task:04d}.{arm}{seed}",
            "status": {True: "resolved", False: "unresolved", None: "infra_error"}[resolved],
            "resolved": resolved,
            "n_steps": 3,
            "seconds": 1.0,
        }
        for task, resolved in enumerate(ATTEMPTS[arm, seed])
    ]
    return _frame(rows, EVAL_SCORES)


def _checkpoint(arm: str, seed: str) -> pl.DataFrame:
    curve = [{"step": 1, "loss": 2.0, "learning_rate": 0.1}, {"step": 2, "loss": 1.0}]
    row = {"arm": arm, "seed": int(seed), "rows": 4, "final_loss": 1.0, "loss_curve": curve}
    return _frame([row], CHECKPOINTS)


PROMPT = pl.DataFrame(
    [{"version": "1a2b3c4d", "model": "m", "prompt": "{{ run }}", "settings": "{}"}],
    schema=CRITIC_PROMPTS,
)


def keep(warehouse: Warehouse, folder: str, frame: pl.DataFrame) -> None:
    """Write an earlier version, as `keep_version` leaves it."""
    put(warehouse, folder, "0123456789abcdef", frame)


def fill(home: Home) -> Warehouse:
    """Write all partitions."""
    warehouse = Warehouse(home.warehouse)
    for batch, runs in BATCHES.items():
        refused = (REFUSAL,) if batch == "real" else ()
        put(warehouse, "trajectories", batch, trajectories(batch), refused=refused)
        outcomes = [
            {"trajectory_id": run, "instance_id": run.rpartition(".")[0], "status": STATUS[run]}
            for run in runs
        ]
        recipe = Recipe(code={"g": "1"}, inputs={f"trajectories/{batch}": "v1"})
        put(warehouse, "test_outcomes", batch, _frame(outcomes, TEST_OUTCOMES), recipe=recipe)
        put(warehouse, "step_verdicts/rules", batch, _verdicts(RULES, batch))
        put(warehouse, "step_verdicts/strict", batch, _verdicts(STRICT, batch))
        keep(warehouse, f"verdict_versions/strict/{batch}", _verdicts(STRICT, batch))
        for arm in ("sft", "srft"):
            put(warehouse, f"masked_tokens/{arm}", batch, _tokens(arm, batch))
    for arm, seed in ATTEMPTS:
        trained_on = Recipe(inputs={f"masked_tokens/{arm}/lab": "v1"})
        put(warehouse, f"checkpoints/{arm}", seed, _checkpoint(arm, seed), recipe=trained_on)
        put(warehouse, f"eval_scores/{arm}", seed, _scores(arm, seed))
        put(warehouse, f"eval_trajectories/{arm}", seed, trajectories("lab"))
    attempts = [
        _scores(arm, seed).with_columns(arm=pl.lit(arm), seed=pl.lit(int(seed)))
        for arm, seed in ATTEMPTS
    ]
    put(warehouse, "comparison", "all", compare_arms(pl.concat(attempts)).pairs)
    put(warehouse, "critic_prompt/strict", "all", PROMPT)
    keep(warehouse, "critic_versions/strict/all", PROMPT)
    put(warehouse, "gold_labels", "all", gold())
    for critic, labels in (("rules", RULES), ("strict", STRICT)):
        verdicts = pl.concat(_verdicts(labels, batch) for batch in BATCHES)
        compared = verdicts.select("trajectory_id", "step_index", "label")
        put(warehouse, f"critic_scores/{critic}", "all", scores(gold(), compared))
    put(warehouse, "base_models/tiny", "all", _frame([{"name": "tiny"}], BASE_MODELS))
    return warehouse
