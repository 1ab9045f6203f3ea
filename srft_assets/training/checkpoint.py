"""A finished training: its figures, its row in `checkpoints`, its loss curve and its model card."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel

from srft_assets.tokens.arm import ArmSpec
from srft_assets.training.job import Layout, Selection, TrainingJob

RESULT = "result.json"
CARD = "README.md"

POINT: pl.DataType = pl.Struct({"step": pl.Int32, "loss": pl.Float64, "learning_rate": pl.Float64})
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
    "weights_sha256": pl.String,
    "seconds": pl.Float64,
    "peak_memory_mb": pl.Float64,
}
CHECKPOINTS = pl.Schema(COLUMNS)
"""One row, one trained model. `path` is relative to the platform's root where it lies inside.
`tokens` and `trained_tokens` count the distinct rows once. `final_loss` is the mean of the last
tenth of `loss_curve`."""

VOLATILE = ("path", "seconds", "peak_memory_mb")
"""Columns that say nothing about the weights; `weights_sha256` does."""


class CurvePoint(BaseModel):
    """One logged optimizer step. `loss` is the mean of the steps since the last point."""

    step: int
    loss: float
    learning_rate: float
    tokens_per_second: float


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
    """Wall time of all attempts, start-up excluded."""
    peak_memory_mb: float
    weights_sha256: str

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


def is_adapter(folder: Path) -> bool:
    """Whether a checkpoint holds only an adapter."""
    return (folder / "adapter_config.json").exists()


def checkpoint_row(arm: ArmSpec, result: TrainingResult, path: str) -> pl.DataFrame:
    """The one row of a `checkpoints` partition, in the schema CHECKPOINTS."""
    row: dict[str, Any] = {
        **result.model_dump(include=set(CHECKPOINTS)),
        "arm": arm.name,
        "path": path,
        "base_model": arm.model,
        "final_loss": result.final_loss,
    }
    for point in row["loss_curve"]:
        del point["tokens_per_second"]
    return pl.DataFrame([row], schema=CHECKPOINTS)


def figures_of(chosen: Selection, job: TrainingJob, result: TrainingResult) -> dict[str, Any]:
    """What the asset's page shows; `loss` is the path of a PNG."""
    return {
        "first_loss": result.loss_curve[0].loss,
        "final_loss": result.final_loss,
        "loss": job.output / "loss.png",
        "steps": result.steps,
        "epochs": len(job.order) / result.rows,
        "rows": result.rows,
        "rows_without_a_trained_token": chosen.without_loss,
        "rows_too_long": len(chosen.refused),
        "rows_left_out": chosen.left_out,
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


def draw_loss(result: TrainingResult, path: Path) -> None:
    """Write `path` (PNG): loss by optimizer step; learning rate and tokens a second beneath."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(3, 1, sharex=True, height_ratios=[4, 1, 1])
    steps = [point.step for point in result.loss_curve]
    for axes, name, label in (
        (panels[0], "loss", "loss per trained token (nats)"),
        (panels[1], "learning_rate", "learning rate"),
        (panels[2], "tokens_per_second", "tokens/s"),
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
    panels[2].set_xlabel("optimizer step")
    figure.savefig(path, dpi=110)


ADAPTER = """
The adapter needs its base model, `{base}`:

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE), FOLDER)
```

`srft merge {arm} --seed {seed} --out MERGED` writes it merged into its base, as full weights. vLLM
serves it beside its base:
`vllm serve BASE --enable-lora --max-lora-rank {rank} --lora-modules {arm}=FOLDER`.
"""

WHOLE = """
```python
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained(FOLDER)
```

`vllm serve FOLDER` serves it.
"""


def card_of(
    arm: ArmSpec, job: TrainingJob, result: TrainingResult, base: str, inputs: Mapping[str, str]
) -> str:
    """The model card (Markdown): what the model was made from, how, and how to load it.

    `base` names the base model without a path of this machine. `inputs`: `asset/partition` →
    data version.
    """
    adapter = is_adapter(job.output)
    loading = WHOLE
    if adapter:
        loading = ADAPTER.format(arm=arm.name, base=base, rank=job.lora_rank, seed=job.seed)
    # The header is what the Hub reads; JSON is YAML. The licence is the publisher's to state.
    header: dict[str, object] = {"library_name": "peft" if adapter else "transformers"}
    if base == arm.model and base.count("/") == 1:
        header["base_model"] = base
    header |= {"pipeline_tag": "text-generation", "tags": ["srft", "software-engineering"]}
    sections = [
        "---\n" + "".join(f"{k}: {json.dumps(v)}\n" for k, v in header.items()) + "---",
        f"# {arm.name}, seed {result.seed}\n\n{arm.description}".rstrip(),
        _table("What it is made from", _origin(arm, base, inputs)),
        _table("Settings", _settings(arm, job)),
        _table(
            "Figures",
            {
                "rows": f"{result.rows:,}",
                "tokens": f"{result.tokens:,}",
                "tokens with loss": f"{result.trained_tokens:,} ({result.trained_share:.1%})",
                "padding": f"{result.padding_share:.2%}",
                "first loss": f"{result.loss_curve[0].loss:.4f}",
                "final loss": f"{result.final_loss:.4f}",
                "SHA-256 of the weights": result.weights_sha256,
            },
        ),
        "## Loading\n" + loading.rstrip(),
    ]
    return "\n\n".join(sections) + "\n"


def _origin(arm: ArmSpec, base: str, inputs: Mapping[str, str]) -> dict[str, object]:
    rows: dict[str, object] = {"base model": base, "runs": arm.runs}
    if arm.labelled:
        rows["labels by"] = arm.critic or f"gold set {arm.gold}"
        rows["labels without loss"] = ", ".join(label.value for label in arm.mask) or "none"
        rows["steps without a label"] = "no loss" if arm.unlabeled == "mask" else "trained"
    return rows | {f"data version of {key}": version for key, version in sorted(inputs.items())}


def _settings(arm: ArmSpec, job: TrainingJob) -> dict[str, object]:
    """Those that decide the weights, in the job's words where it has its own."""
    names = ["method", "epochs", "max_steps", "batch_size", "micro_batch_tokens", "learning_rate"]
    names += ["warmup_ratio", "max_length", "normalise", "mixing"]
    names += ["lora_rank", "lora_alpha"] if job.method != "full" else []
    stated = arm.training.model_dump(mode="json", exclude_none=True) | job.model_dump(mode="json")
    return {name: stated[name] for name in [*names, "seed"] if name in stated} | job.options


def _table(heading: str, rows: Mapping[str, object]) -> str:
    lines = [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items()]
    return "\n".join([f"## {heading}\n", "| | |", "| --- | --- |", *lines])


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
