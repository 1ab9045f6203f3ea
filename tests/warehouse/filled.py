"""The small warehouse of `filled_figures.py`, written."""

from datetime import UTC, datetime

import polars as pl

from srft_assets.compare import ARM_RATES, compare_arms
from srft_assets.critic.scores import scores
from srft_assets.critic.verdict import STEP_VERDICTS
from srft_assets.errors import Refusal
from srft_assets.home import Home
from srft_assets.lab.base import BASE_MODELS
from srft_assets.outcomes.status import TEST_OUTCOMES
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.warehouse.partitions import Stamp, Warehouse, data_version
from srft_assets.warehouse.recipe import Recipe
from tests.warehouse.filled_figures import ATTEMPTS, BATCHES, REFUSAL, RULES, STATUS, STRICT
from tests.warehouse.filled_frames import (
    PROMPT,
    checkpoint,
    eval_scores,
    findings,
    framed,
    gold,
    tokens,
    trajectories,
    verdicts,
)

OTHER_SCHEMAS = {**SCHEMAS, "step_verdicts": pl.Schema({**STEP_VERDICTS, "x": pl.Int32})}
"""As of another version of the platform."""


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


def keep(warehouse: Warehouse, folder: str, frame: pl.DataFrame) -> None:
    """Write an earlier version, as `History.keep` leaves it."""
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
        put(warehouse, "test_outcomes", batch, framed(outcomes, TEST_OUTCOMES), recipe=recipe)
        put(warehouse, "integrity", batch, findings(batch))
        put(warehouse, "step_verdicts/rules", batch, verdicts(RULES, batch))
        put(warehouse, "step_verdicts/strict", batch, verdicts(STRICT, batch))
        keep(warehouse, f"verdict_versions/strict/{batch}", verdicts(STRICT, batch))
        for arm in ("sft", "srft"):
            put(warehouse, f"masked_tokens/{arm}", batch, tokens(arm, batch))
    for arm, seed in ATTEMPTS:
        trained_on = Recipe(inputs={f"masked_tokens/{arm}/lab": "v1"})
        put(warehouse, f"checkpoints/{arm}", seed, checkpoint(arm, seed), recipe=trained_on)
        put(warehouse, f"eval_scores/{arm}", seed, eval_scores(arm, seed))
        put(warehouse, f"eval_trajectories/{arm}", seed, trajectories("lab"))
    attempts = [
        eval_scores(arm, seed).with_columns(arm=pl.lit(arm), seed=pl.lit(int(seed)))
        for arm, seed in ATTEMPTS
    ]
    compared = compare_arms(pl.concat(attempts))
    put(warehouse, "comparison", "all", compared.pairs)
    put(warehouse, "arm_rates", "all", compared.arms.select(list(ARM_RATES)))
    put(warehouse, "critic_prompt/strict", "all", PROMPT)
    keep(warehouse, "critic_versions/strict/all", PROMPT)
    put(warehouse, "gold_labels", "all", gold())
    for critic, labels in (("rules", RULES), ("strict", STRICT)):
        judged = pl.concat(verdicts(labels, batch) for batch in BATCHES)
        compared = judged.select("trajectory_id", "step_index", "label")
        put(warehouse, f"critic_scores/{critic}", "all", scores(gold(), compared))
    put(warehouse, "base_models/tiny", "all", framed([{"name": "tiny"}], BASE_MODELS))
    return warehouse
