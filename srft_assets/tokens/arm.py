"""A training arm: which runs, whose labels, which steps carry how much loss.

Controls are masks that a real one has to beat. All of them leave alone what the critic did not
judge: runs that are not masked, and steps without a label.

- `random_mask`: the run's weights, dealt to its labelled steps at random. As many steps of every
  run are masked as by the labels, but not the same ones.
- `inverted_mask`: what was masked is trained, and the other way round. It trains mistakes on
  purpose.
- `prefix_until_mistake`: nothing is trained from the first mistake on.
"""

import random
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, NonNegativeFloat, PositiveInt, model_validator

from srft_assets.critic.verdict import Label
from srft_assets.outcomes.status import Status
from srft_assets.project.settings import Prefix
from srft_assets.tokens.evaluation import EvaluationSpec as EvaluationSpec


class Mixing(BaseModel, extra="forbid"):
    """How often rows of a group are drawn in training."""

    by: Literal["outcome", "batch"] = "outcome"
    """`outcome`: the groups are `resolved`, `unresolved` (the model's own failure) and `ungraded`.
    `batch`: shell patterns of batches; the first that fits."""
    shares: dict[str, NonNegativeFloat] = Field(min_length=1)
    """Group → its part of the rows drawn, relative to the others. 0 leaves the group out."""

    @model_validator(mode="after")
    def _draws_something(self) -> Self:
        known = {"resolved", "unresolved", "ungraded"}
        if self.by == "outcome" and (unknown := sorted(self.shares.keys() - known)):
            raise ValueError(f"no outcome {unknown[0]!r}: it is one of {', '.join(sorted(known))}")
        if not any(self.shares.values()):
            raise ValueError("every share is 0: nothing would be drawn")
        return self


class Validation(BaseModel, extra="forbid"):
    """Tasks that are not trained on, whose loss is told while the others are."""

    tasks: PositiveInt | Annotated[float, Field(gt=0, lt=1)]
    """Below 1 the share of the tasks that are held out, else how many."""
    arm: str | None = None
    """Whose masked tokens of these tasks are scored; by default the arm's own. One that asks a
    critic, so that an arm without labels shows its loss by label too."""
    every: PositiveInt | None = None
    """Optimizer steps between two validations; by default a tenth of all."""
    patience: PositiveInt | None = None
    """So many validations in a row without a lower loss end the training."""
    keep: Literal["best", "last"] = "last"
    """Which weights become the checkpoint: the last, or those of the lowest validation loss."""


EVERY_BATCH = ("*", "!eval-*")
"""All but those of evaluation, which are named so."""


class TrainingSpec(BaseModel, extra="forbid"):
    """How a checkpoint is trained. Defaults suit the embedded tiny model."""

    method: Literal["full", "lora", "qlora", "none"] = "full"
    """`qlora` holds the frozen base in 4 bits; it needs a GPU and bitsandbytes. `none` trains
    nothing: the base model is scored as it is, and the arm has no masked tokens."""
    batches: list[str] = Field(default_factory=lambda: list(EVERY_BATCH))
    """Shell patterns of the batches that are trained on; behind a `!`, of those that are not."""
    max_steps: PositiveInt = 120
    """Optimizer steps of a training, unless `epochs` is stated."""
    epochs: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """How often each row is trained on, in place of `max_steps`; see docs/training.md."""
    batch_size: PositiveInt = 4
    """Rows of one optimizer step; split by gradient accumulation where memory asks for it."""
    learning_rate: float = 1e-3
    """Its peak, after warm-up; then it falls along a cosine, or by `options.lr_scheduler_type`."""
    warmup_ratio: float = 0.1
    """Part of the steps in which the learning rate rises from 0."""
    max_length: int = Field(default=4096, ge=2)
    """Tokens; a longer row is refused, never cut in silence. See `too_long`."""
    normalise: Literal["token", "run"] = "token"
    """`token`: every trained token weighs the same, so long runs weigh more. `run`: the trained
    tokens of each run weigh the same together."""
    mixing: Mixing | None = None
    """How often rows of a group are drawn; without it every row is drawn equally often."""
    validation: Validation | None = None
    """Which tasks are held out of the training, and what their loss decides."""
    lora_rank: int = 16
    """Rank of the adapters; with `lora` and `qlora`."""
    lora_alpha: int = 32
    """Scale of the adapters, divided by their rank."""
    launcher: Literal["python", "torchrun", "accelerate"] = "python"
    """What starts the processes; see docs/training.md."""
    processes: PositiveInt = 1
    """Processes on each machine; `batch_size` rows are shared out to all of them."""
    launcher_args: list[str] = Field(default_factory=list)
    """Further arguments of the launcher, such as `--config_file fsdp.yaml` of accelerate."""
    launch: Prefix = Field(default_factory=list)
    """Where it runs: `local`, or what comes before the launcher, such as `srun --nodes 2`."""
    report_to: list[Literal["mlflow", "tensorboard", "trackio", "wandb"]] = Field(
        default_factory=list
    )
    """Where else the curves go; keys and addresses come from the environment only."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of TRL's SFTConfig; `micro_batch_tokens` (tokens at once in memory) and
    `save_seconds` (between two saved states)."""

    @model_validator(mode="after")
    def _ends_by_one_setting(self) -> Self:
        if self.epochs is not None and "max_steps" in self.model_fields_set:
            raise ValueError("max_steps and epochs exclude each other: state one of them")
        return self

    @model_validator(mode="after")
    def _can_start(self) -> Self:
        if self.launcher == "python" and (self.processes > 1 or self.launcher_args):
            setting = "processes" if self.processes > 1 else "launcher_args"
            raise ValueError(f"{setting} needs launcher torchrun or accelerate")
        if self.batch_size % self.processes:
            raise ValueError(
                f"batch_size {self.batch_size} is no multiple of processes {self.processes}"
            )
        return self


class ArmSpec(BaseModel, extra="forbid"):
    """One training arm, as written in `defs/arms/<name>/defs.yaml`. See docs/arms.md."""

    name: str
    """Its name in the graph, for code; in YAML the folder's name is it."""
    description: str = ""
    """Shown on the pages of its assets."""
    on_request: bool = False
    """Made only when it is named: `srft apply` without names and `srft demo` leave it."""
    runs: Literal["all", "resolved", "unresolved"] = "all"
    """`all`: every run that came to its end, ungraded ones too. `unresolved`: failed by the model
    itself, neither `unknown` nor `infra_error`."""
    where: str | None = None
    """An SQL condition on the runs of a batch; `sql/arms/candidates.sql` states the columns."""
    dedup: bool = False
    """Of runs with the same messages only the first is taken."""
    per_instance: PositiveInt | None = None
    """Runs of one task at most; which, `seed` decides. Runs of no known task are not counted."""
    seed: int = 0
    """Decides what `per_instance` keeps and what `random_mask` masks; not the seed of training."""
    integrity: Literal["drop", "mask", "keep"] = "drop"
    """What becomes of runs that read the fix, disabled tests or hard-coded answers (the view
    `leaks`): left out; kept, the steps that did it without loss; or trained like others."""
    critic: str | None = None
    """Whose verdicts mask steps; without one, and without `gold`, nothing is masked."""
    gold: str | None = None
    """A gold set whose labels stand in the place of a critic's: the oracle. A step that no
    annotator labelled, or with a tie, is unlabeled."""
    mask: list[Label] = Field(default_factory=lambda: [Label.MISTAKE])
    """Labels that carry no loss."""
    mask_resolved: bool = False
    """Whether steps of resolved runs are masked too; else these runs are trained whole."""
    unlabeled: Literal["mask", "train"] = "mask"
    """What becomes of steps without a label."""
    weights: dict[Label, NonNegativeFloat] = Field(default_factory=dict)
    """Label → loss weight of its steps, 0 is masked. A label without one weighs 0 where `mask`
    or `unlabeled` masks it, else 1."""
    control: Literal["none", "random_mask", "inverted_mask", "prefix_until_mistake"] = "none"
    """What is made of the mask, to compare it with."""
    too_long: Literal["refuse", "cut", "drop", "windows"] = "refuse"
    """What becomes of a run longer than `training.max_length`: refused by training; cut after
    its last whole step that fits; left out; or several rows, each with the prompt."""
    overlap: int = Field(default=4, ge=0)
    """Steps of context, without loss, that a window shows before those it trains; fewer where
    they do not fit."""
    model: str = "tiny"
    """A base model asset (`base_models/<name>`), a local folder, or a Hugging Face id."""
    training: TrainingSpec = Field(default_factory=TrainingSpec)
    """How it is trained."""
    evaluation: EvaluationSpec = Field(default_factory=EvaluationSpec)
    """How its checkpoints are scored."""

    def names(self, column: str) -> bool:
        """Whether the condition `where` speaks of a column."""
        return self.where is not None and bool(re.search(rf"(?i)\b{column}\b", self.where))

    @property
    def labelled(self) -> bool:
        """Whether anybody's labels mask steps."""
        return self.critic is not None or self.gold is not None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.critic is not None and self.gold is not None:
            raise ValueError("critic and gold exclude each other: whose labels mask?")
        if not self.labelled and (self.weights or self.control != "none"):
            setting = "weights" if self.weights else f"control {self.control}"
            raise ValueError(f"{setting} needs labels: name a critic or a gold set")
        if self.labelled and self.training.method == "none":
            raise ValueError("training.method none trains nothing, so that no labels mask")
        both = [label for label in self.mask if self.weights.get(label)]
        if both and "mask" in self.model_fields_set:
            raise ValueError(f"{both[0]} is in mask, but has weight {self.weights[both[0]]:g}")
        return self


def decide(
    arm: ArmSpec, trajectory_id: str, status: Status, labels: Mapping[int, Label]
) -> dict[int, float]:
    """step_index → loss weight, 0 where the step is masked, for every step in `labels`.

    Where nobody's labels mask, every step weighs 1, and so does every step of a resolved run
    unless the arm says `mask_resolved`. Ungraded runs are masked like failed ones.
    """
    if not arm.labelled or (status == Status.RESOLVED and not arm.mask_resolved):
        return dict.fromkeys(labels, 1.0)
    weights = {step: weight_of(arm, label) for step, label in labels.items()}
    return weights | _controlled(arm, trajectory_id, labels, weights)


def weight_of(arm: ArmSpec, label: Label) -> float:
    """Loss weight of a step with this label, in runs that are masked; before any control."""
    if label in arm.weights:
        return arm.weights[label]
    masked = arm.unlabeled == "mask" if label == Label.UNLABELED else label in arm.mask
    return 0.0 if masked else 1.0


def _controlled(
    arm: ArmSpec, trajectory_id: str, labels: Mapping[int, Label], weights: Mapping[int, float]
) -> dict[int, float]:
    """The weights that the arm's control changes, by step."""
    judged = [step for step in sorted(labels) if labels[step] != Label.UNLABELED]
    if arm.control == "random_mask":
        dealt = [weights[step] for step in judged]
        random.Random(f"{arm.seed} {trajectory_id}").shuffle(dealt)
        return dict(zip(judged, dealt, strict=True))
    if arm.control == "inverted_mask":
        return {step: 0.0 if weights[step] else 1.0 for step in judged}
    if arm.control == "prefix_until_mistake":
        first = min((step for step in judged if labels[step] == Label.MISTAKE), default=None)
        return {step: 0.0 for step in labels if first is not None and step >= first}
    return {}


def forbidden(arm: ArmSpec) -> dict[str, Any]:
    """What of a masked run must not be trained: parameters of `trained_tokens_accepted`.

    `masked`: labels. `unlabeled`: the label of steps without one, where they are masked, else
    empty. `until_mistake`: whether also what comes after a mistake. `as_many_as`: labels of which
    as many steps as there are must be masked, whichever they are; empty where that says nothing.
    """
    judged = [label for label in Label if label != Label.UNLABELED] if arm.labelled else []
    masked = [str(label) for label in judged if not weight_of(arm, label)]
    unlabeled = arm.labelled and not weight_of(arm, Label.UNLABELED)
    found: dict[str, Any] = {
        "masked": masked,
        "unlabeled": str(Label.UNLABELED) if unlabeled else "",
        "mask_resolved": arm.mask_resolved,
        "until_mistake": arm.control == "prefix_until_mistake",
        "as_many_as": [],
    }
    if arm.control == "inverted_mask":
        found["masked"] = [str(label) for label in judged if weight_of(arm, label)]
    if arm.control == "random_mask":
        whole = arm.too_long in ("refuse", "drop")
        found |= {"masked": [], "as_many_as": masked if whole else []}
    return found
