"""What a training subprocess is told, and what it tells back: two JSON files."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from srft_assets.tokens.arm import Mixing
from srft_assets.warehouse.recipe import digest


class Choice(BaseModel):
    """What of an arm's choice of runs only training can see: that over all batches."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dedup: bool = False
    """Runs whose rows hold the same tokens are trained on once."""
    per_instance: int | None = Field(default=None, ge=1)
    """Runs of one task at most, in the order of `tokens.cap.within_cap`."""
    seed: int = 0


class TrainingJob(BaseModel):
    """Everything that one training needs; `python -m srft_assets.training.main job.json`."""

    model_config = ConfigDict(extra="forbid")

    base_model: str
    """Folder of a base model, or a Hugging Face id."""
    data: list[Path]
    """Parquet partitions of `masked_tokens`, in training order."""
    output: Path
    """Folder of the checkpoint; it appears whole or not at all."""
    method: Literal["full", "lora", "qlora"] = "full"
    max_steps: int = Field(default=150, ge=1)
    """Optimizer steps."""
    batch_size: int = Field(default=16, ge=1)
    """Rows of one optimizer step."""
    micro_batch_tokens: int = Field(default=4096, ge=1)
    """Tokens of one forward pass; a longer row stands alone. Does not change the loss."""
    learning_rate: float = Field(default=1e-3, ge=0)
    """At its peak. 0 leaves the weights as they are: the base model as a checkpoint."""
    warmup_ratio: float = Field(default=0.1, ge=0, le=1)
    max_length: int = Field(default=4096, ge=2)
    """Tokens; a longer row is refused."""
    choice: Choice = Field(default_factory=Choice)
    normalise: Literal["token", "run"] = "token"
    """Whether every trained token weighs the same, or every run."""
    mixing: Mixing | None = None
    """How often rows of a group are drawn; None: every row equally often."""
    lora_rank: int = Field(default=16, ge=1)
    lora_alpha: int = Field(default=32, ge=1)
    seed: int = 0
    save_seconds: float = Field(default=60.0, ge=0)
    """A resumable state is saved when so much time has gone by since the last one."""
    report_to: list[str] = Field(default_factory=list)
    """Trackers that hear of the curves besides, as transformers names them."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of TRL's SFTConfig."""

    @property
    def partial(self) -> Path:
        """Where an unfinished training keeps its state, beside the output."""
        return self.output.parent / f"{self.output.name}.partial"

    @property
    def identity(self) -> str:
        """Digest of all that decides the weights, but for the rounding of sums; a state of
        another identity is not resumed."""
        outside = {"micro_batch_tokens", "save_seconds", "report_to"}
        return digest(self.model_dump(mode="json", exclude=outside))


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
    rows_without_loss: int
    rows_too_long: int
    rows_left_out: int = 0
    """Rows of runs that `choice` leaves out."""
    tokens: int
    trained_tokens: int
    tokens_seen: int
    padding_share: float
    """Padding positions among all positions computed."""
    micro_batches: int
    """Forward passes of one optimizer step (gradient accumulation)."""
    layout: Literal["packed", "padded"]
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


RESULT = "result.json"


def read_result(folder: Path) -> TrainingResult | None:
    """The result of a finished checkpoint folder; None where it is not there."""
    path = folder / RESULT
    return TrainingResult.model_validate_json(path.read_bytes()) if path.exists() else None
