"""A finished training as a row and as figures."""

from pathlib import Path
from typing import Any

import polars as pl

from srft_assets.home import Home
from srft_assets.tokens.arm import ArmSpec
from srft_assets.training.job import TrainingJob, TrainingResult
from srft_assets.training.schema import CHECKPOINTS


def checkpoint_row(
    arm: ArmSpec, job: TrainingJob, result: TrainingResult, home: Home
) -> pl.DataFrame:
    """The one row of a `checkpoints` partition, in the schema CHECKPOINTS."""
    curve = [point.model_dump(exclude={"tokens_per_second"}) for point in result.loss_curve]
    row: dict[str, Any] = {
        **result.model_dump(include=set(CHECKPOINTS) - {"loss_curve", "base_model"}),
        "arm": arm.name,
        "path": _relative(job.output, home.root),
        "base_model": arm.model,
        "final_loss": result.final_loss,
        "loss_curve": curve,
    }
    return pl.DataFrame([row], schema=CHECKPOINTS)


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def figures(job: TrainingJob, result: TrainingResult) -> dict[str, Any]:
    """What the asset's page shows; `loss` is the path of a PNG."""
    return {
        "first_loss": result.loss_curve[0].loss,
        "final_loss": result.final_loss,
        "loss": job.output / "loss.png",
        "rows": result.rows,
        "rows_without_a_trained_token": result.rows_without_loss,
        "rows_too_long": result.rows_too_long,
        "rows_left_out": result.rows_left_out,
        "tokens": result.tokens,
        "tokens_trained": result.trained_tokens,
        "trained_share": result.trained_share,
        "padding_share": result.padding_share,
        "tokens_per_second": round(result.tokens_seen / max(result.seconds, 1e-9)),
        "micro_batches": result.micro_batches,
        "seconds": result.seconds,
        "peak_memory_mb": result.peak_memory_mb,
        "weights_sha256": result.weights_sha256,
    }
