"""A training arm: which runs, which critic, which labels carry no loss."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from srft_assets.critic.verdict import Label


class TrainingSpec(BaseModel):
    """How a checkpoint is trained. Defaults suit the embedded tiny model."""

    model_config = ConfigDict(extra="forbid")

    method: Literal["full", "lora"] = "full"
    batches: list[str] = Field(default_factory=lambda: ["lab-*"])
    """Shell patterns of the batches that are trained on."""
    max_steps: int = 50
    batch_size: int = 8
    """Rows of one optimizer step; split by gradient accumulation where memory asks for it."""
    learning_rate: float = 1e-3
    warmup_ratio: float = 0.1
    max_length: int = 4096
    """Tokens; a longer row is refused, never cut in silence."""
    lora_rank: int = 16
    lora_alpha: int = 32
    options: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of TRL's SFTConfig."""


class EvaluationSpec(BaseModel):
    """Held-out generated tasks that a checkpoint is scored on."""

    model_config = ConfigDict(extra="forbid")

    tasks: int = 40
    task_seed: int = 90_001
    """Never a seed of training tasks."""
    step_limit: int = 12
    max_new_tokens: int = 64
    temperature: float = Field(default=0.0, ge=0.0)
    """0 is greedy; otherwise sampled, seeded by seed and run."""


class ArmSpec(BaseModel):
    """One training arm, as written in `defs/arms/<name>/defs.yaml`."""

    model_config = ConfigDict(extra="forbid")

    name: str
    description: str = ""
    runs: Literal["all", "resolved", "unresolved"] = "all"
    critic: str | None = None
    """Whose verdicts mask steps; None masks nothing."""
    mask: list[Label] = Field(default_factory=lambda: [Label.MISTAKE])
    mask_resolved: bool = False
    """Whether steps of resolved runs are masked too."""
    unlabeled: Literal["mask", "train"] = "mask"
    model: str = "tiny"
    """A base model asset (`base_models/<name>`), a local folder, or a Hugging Face id."""
    training: TrainingSpec = Field(default_factory=TrainingSpec)
    evaluation: EvaluationSpec = Field(default_factory=EvaluationSpec)
