"""A finished training: its figures, its row in `checkpoints`, its loss curves."""

from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel

from srft_assets.critic.verdict import Label
from srft_assets.tokens.arm import ArmSpec
from srft_assets.training.job import Layout, TrainingJob
from srft_assets.training.rows import Selection
from srft_assets.warehouse.stage import Listing

RESULT = "result.json"

POINT: pl.DataType = pl.Struct({"step": pl.Int32, "loss": pl.Float64, "learning_rate": pl.Float64})
SCORED: pl.DataType = pl.Struct(
    {"step": pl.Int32, "loss": pl.Float64, **{str(label): pl.Float64 for label in Label}}
)
COLUMNS: dict[str, Any] = {
    "arm": pl.String,
    "seed": pl.Int32,
    "path": pl.String,
    "base_model": pl.String,
    "method": pl.String,
    "steps": pl.Int32,
    "rows": pl.Int32,
    "tokens": pl.Int64,
    "trained_tokens": pl.Int64,
    "padding_share": pl.Float64,
    "final_loss": pl.Float64,
    "loss_curve": pl.List(POINT),
    "kept_step": pl.Int32,
    "validation_tasks": pl.Int32,
    "validation_loss": pl.Float64,
    "validation_curve": pl.List(SCORED),
    "weights_sha256": pl.String,
    "seconds": pl.Float64,
    "peak_memory_mb": pl.Float64,
}
CHECKPOINTS = pl.Schema(COLUMNS)
"""One row, one trained model. `path` is relative to the platform's root where it lies inside.
`tokens` and `trained_tokens` count the distinct rows once. `final_loss` is the mean of the last
tenth of `loss_curve`. `validation_loss` is that of the weights that were kept, and null like the
other columns of validation where there is none."""

OF_VALIDATION = ("kept_step", "validation_tasks", "validation_loss", "validation_curve")
VOLATILE = ("path", "seconds", "peak_memory_mb", *OF_VALIDATION)
"""Columns that say nothing about the weights; `weights_sha256` does."""
AS_THEY_ARE = (
    *("steps", "rows", "tokens", "padding_share", "micro_batches", "seconds", "peak_memory_mb"),
    "weights_sha256",
)
"""Fields of a result that the asset's page shows."""


OF_LABEL: dict[str, str] = {
    Label.GOOD: "#2e7d32",
    Label.UNNECESSARY: "#b8860b",
    Label.MISTAKE: "#b71c1c",
    Label.RECOVER: "#1565c0",
    Label.UNLABELED: "#757575",
}
"""Colours of curves."""


class CurvePoint(BaseModel):
    """One logged optimizer step. `loss` is the mean of the steps since the last point."""

    step: int
    loss: float
    learning_rate: float
    tokens_per_second: float


class ScoredPoint(BaseModel):
    """The losses of the held-out tasks after an optimizer step, 0 before the first.

    `loss` is what training would take it for, by the weights of tokens; `by_label` has the mean
    over all tokens of the steps of a label, whether or not these carry loss.
    """

    step: int
    loss: float
    by_label: dict[str, float]


class ValidationResult(BaseModel):
    """What validation found."""

    tasks: int
    rows: int
    tokens: int
    curve: list[ScoredPoint]
    kept_step: int
    """The optimizer step whose weights are the checkpoint."""
    ended_early: bool

    @property
    def kept(self) -> ScoredPoint:
        """The losses of the checkpoint."""
        return next(point for point in self.curve if point.step == self.kept_step)


class TrainingResult(BaseModel):
    """`result.json` of a finished checkpoint.

    `tokens` and `trained_tokens` count the distinct rows once, however often they were seen.
    """

    seed: int
    base_model: str
    method: str
    steps: int
    rows: int
    tokens: int
    trained_tokens: int
    tokens_seen: int
    padding_share: float
    """Padding positions among all positions computed."""
    micro_batches: int
    """Forward passes of one optimizer step (gradient accumulation)."""
    layout: Layout
    loss_curve: list[CurvePoint]
    seconds: float
    """Wall time of all attempts, start-up and validation excluded."""
    peak_memory_mb: float
    weights_sha256: str
    validation: ValidationResult | None = None

    @property
    def final_loss(self) -> float:
        """Mean loss of the last tenth of the curve, which is less noisy than its last point."""
        tail = self.loss_curve[-max(1, len(self.loss_curve) // 10) :]
        return sum(point.loss for point in tail) / len(tail)

    @property
    def trained_share(self) -> float:
        """Trained tokens among all tokens of the rows."""
        return self.trained_tokens / self.tokens


def read_result(folder: Path) -> TrainingResult | None:
    """The result of a finished checkpoint folder; None where it is not there."""
    path = folder / RESULT
    return TrainingResult.model_validate_json(path.read_bytes()) if path.exists() else None


def weights_gone(arm: str, seed: str) -> str:
    """What is said where a checkpoint's row is there, and its folder is not."""
    made = f"srft delete checkpoint {arm}/{seed}, then srft apply checkpoints/{arm}"
    return f"the weights of checkpoints/{arm}/{seed} are gone: {made}"


def is_adapter(folder: Path) -> bool:
    """Whether a checkpoint holds only an adapter."""
    return (folder / "adapter_config.json").exists()


def checkpoint_row(arm: ArmSpec, result: TrainingResult, path: str) -> pl.DataFrame:
    """The one row of a `checkpoints` partition, in the schema CHECKPOINTS."""
    row: dict[str, Any] = {
        **dict.fromkeys(OF_VALIDATION),
        **result.model_dump(include=set(CHECKPOINTS)),
        "arm": arm.name,
        "path": path,
        "base_model": arm.model,
        "final_loss": result.final_loss,
    }
    for point in row["loss_curve"]:
        del point["tokens_per_second"]
    if found := result.validation:
        row |= {
            "kept_step": found.kept_step,
            "validation_tasks": found.tasks,
            "validation_loss": found.kept.loss,
            "validation_curve": [
                {"step": point.step, "loss": point.loss, **point.by_label} for point in found.curve
            ],
        }
    return pl.DataFrame([row], schema=CHECKPOINTS)


def figures_of(chosen: Selection, job: TrainingJob, result: TrainingResult) -> dict[str, Any]:
    """What the asset's page shows; `loss` is the path of a PNG."""
    return {
        "first_loss": result.loss_curve[0].loss,
        "final_loss": result.final_loss,
        "loss": job.output / "loss.png",
        "epochs": len(job.order) / result.rows,
        "rows_without_a_trained_token": chosen.without_loss,
        "rows_too_long": len(chosen.refused),
        "rows_left_out": chosen.left_out,
        "tokens_trained": result.trained_tokens,
        "trained_share": result.trained_share,
        "tokens_per_second": round(result.tokens_seen / max(result.seconds, 1e-9)),
        **result.model_dump(include=set(AS_THEY_ARE)),
        **(_scored(result.validation) if result.validation else {}),
    }


def _scored(found: ValidationResult) -> dict[str, Any]:
    """Figures of validation; the curve as a table."""
    labels = list(found.kept.by_label)
    rows = [
        (point.step, point.loss, *(point.by_label[label] for label in labels))
        for point in found.curve
    ]
    return {
        "validation_loss": found.kept.loss,
        **{f"validation_loss_{label}": loss for label, loss in found.kept.by_label.items()},
        "validation_tasks": found.tasks,
        "validation_rows": found.rows,
        "validation_tokens": found.tokens,
        "validation_curve": Listing(["step", "loss", *labels], rows),
        "kept_step": found.kept_step,
        "ended_early": found.ended_early,
    }


def draw_loss(result: TrainingResult, path: Path) -> None:
    """Write `path` (PNG): loss by optimizer step, that of held-out tasks by label, if any; learning
    rate and tokens a second beneath."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = result.validation
    heights = [4, 4, 1, 1] if found and found.kept.by_label else [4, 1, 1]
    figure = Figure(figsize=(8, sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    if found:
        _draw_validation(found, panels[:-2])
    steps = [point.step for point in result.loss_curve]
    for axes, name, label in (
        (panels[0], "loss", "loss per trained token (nats)"),
        (panels[-2], "learning_rate", "learning rate"),
        (panels[-1], "tokens_per_second", "tokens/s"),
    ):
        axes.plot(steps, [getattr(point, name) for point in result.loss_curve], color="#1f5fa8")
        axes.set_ylabel(label, fontsize=8)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
    panels[0].set_title(
        f"seed {result.seed}, {result.method}: {result.rows} rows, "
        f"{result.trained_tokens:,} of {result.tokens:,} tokens trained, "
        f"{result.padding_share:.1%} padding, final loss {result.final_loss:.3f}",
        fontsize=10,
    )
    panels[-1].set_xlabel("optimizer step")
    figure.savefig(path, dpi=110)


def _draw_validation(found: ValidationResult, panels: Any) -> None:
    """The loss of held-out tasks in the panel of losses, that of each label in the next, if any."""
    steps = [point.step for point in found.curve]
    told = f"{found.tasks} held-out tasks, {found.rows} rows; weights of step {found.kept_step}"
    whole = [point.loss for point in found.curve]
    panels[0].plot(steps, whole, "o-", ms=3, color="#c8553d", label=told)
    for label in found.kept.by_label:
        curve = [point.by_label[label] for point in found.curve]
        panels[1].plot(steps, curve, "o-", ms=3, color=OF_LABEL[label], label=label)
        panels[1].set_ylabel("loss per held-out token, by label (nats)", fontsize=8)
    for axes in panels:
        axes.axvline(found.kept_step, color="#888888", lw=1, ls=":")
        axes.legend(fontsize=8)
    for axes in panels[1:]:
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
