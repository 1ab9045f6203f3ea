"""The frames of the small warehouse."""

from typing import Any

import polars as pl

from srft_assets.critic.gold.labels import GOLD_LABELS
from srft_assets.critic.verdict import CRITIC_PROMPTS, STEP_VERDICTS
from srft_assets.integrity.finding import INTEGRITY, Finding, Kind, finding_row
from srft_assets.rollouts.stage import EVAL_SCORES
from srft_assets.tokens.token_labels import MASKED_TOKENS
from srft_assets.training.checkpoint import CHECKPOINTS
from srft_assets.trajectories.model import TRAJECTORIES, command_words
from tests.warehouse.filled_figures import ATTEMPTS, BATCHES, COMMANDS, GOLD, ONE, RULES, STATUS


def framed(rows: list[dict[str, Any]], schema: pl.Schema) -> pl.DataFrame:
    """Rows in a schema; columns that a row does not name are None."""
    return pl.DataFrame([{**dict.fromkeys(schema), **row} for row in rows], schema=schema)


def trajectories(batch: str) -> pl.DataFrame:
    """The runs of a batch."""
    rows = []
    for run in BATCHES[batch]:
        commands = COMMANDS[run]
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
                "n_steps": len(commands),
                "step_messages": [2 + 2 * index for index in range(len(commands))],
                "step_thoughts": [f"thought {index}" for index in range(len(commands))],
                "step_tools": [[_tool(command)] for command in commands],
                "step_commands": [[command] for command in commands],
                "step_call_ids": [[None] for _ in commands],
                "step_observations": [["seen"] for _ in commands],
                "step_return_codes": [
                    [1 if command.startswith("python") else 0] for command in commands
                ],
            }
        )
    frame = framed(rows, TRAJECTORIES)
    return frame.with_columns(command_words(frame["step_commands"]))


def _tool(command: str) -> str:
    return "str_replace_editor" if command.startswith("{") else "bash"


def verdicts(labels: dict[str, list[str]], batch: str) -> pl.DataFrame:
    """What a critic says of the steps of a batch."""
    rows = [
        {"trajectory_id": run, "step_index": index, "label": label, "reason": "because"}
        for run in BATCHES[batch]
        for index, label in enumerate(labels[run])
    ]
    return framed(rows, STEP_VERDICTS)


def gold() -> pl.DataFrame:
    """The gold set `people`: seven labelled steps of two runs, one of them a tie."""
    rows = [
        {"set": "people", "trajectory_id": run, "step_index": index, "label": label}
        | {"annotator": annotator, "note": ""}
        for annotator, runs in GOLD.items()
        for run, labels in runs.items()
        for index, label in enumerate(labels)
    ]
    return framed(rows, GOLD_LABELS)


def tokens(arm: str, batch: str) -> pl.DataFrame:
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
    return framed(rows, MASKED_TOKENS)


def findings(batch: str) -> pl.DataFrame:
    """The first run of a batch read the fix."""
    run = BATCHES[batch][0]
    found = Finding(0, Kind.READS_FIX, "upstream", "curl reads it")
    return framed([finding_row(run, run.rpartition(".")[0], found)], INTEGRITY)


def eval_scores(arm: str, seed: str) -> pl.DataFrame:
    """What an arm resolved with a seed."""
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
    return framed(rows, EVAL_SCORES)


def checkpoint(arm: str, seed: str) -> pl.DataFrame:
    """What its training told."""
    curve = [{"step": 1, "loss": 2.0, "learning_rate": 0.1}, {"step": 2, "loss": 1.0}]
    row = {"arm": arm, "seed": int(seed), "rows": 4, "final_loss": 1.0, "loss_curve": curve}
    return framed([row], CHECKPOINTS)


PROMPT = pl.DataFrame(
    [{"version": "1a2b3c4d", "model": "m", "prompt": "{{ run }}", "settings": "{}"}],
    schema=CRITIC_PROMPTS,
)
