"""The model card of a checkpoint: what it was made from, with which settings, how to load it."""

import json
from collections.abc import Mapping
from pathlib import Path

from srft_assets.tokens.arm import ArmSpec
from srft_assets.training.job import TrainingJob, TrainingResult

CARD = "README.md"

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


def card(
    arm: ArmSpec,
    job: TrainingJob,
    result: TrainingResult,
    base: str,
    inputs: Mapping[str, str],
    adapter: bool,
) -> str:
    """The card as Markdown. `base` names the base model without a path of this machine.

    `inputs`: `asset/partition` → data version. `adapter`: whether the folder holds only that.
    """
    sections = [
        _header(arm, base, adapter),
        f"# {arm.name}, seed {result.seed}\n\n{arm.description}".rstrip(),
        _table("What it is made from", _origin(arm, base, inputs)),
        _table("Settings", _settings(job)),
        _table("Figures", _figures(result)),
        "## Loading\n" + (_adapter(arm, job, base) if adapter else WHOLE).rstrip(),
    ]
    return "\n\n".join(sections) + "\n"


def _adapter(arm: ArmSpec, job: TrainingJob, base: str) -> str:
    return ADAPTER.format(arm=arm.name, base=base, rank=job.lora_rank, seed=job.seed)


def _header(arm: ArmSpec, base: str, adapter: bool) -> str:
    """What the Hub reads; JSON is YAML. The licence is the publisher's to state."""
    fields: dict[str, object] = {"library_name": "peft" if adapter else "transformers"}
    if base == arm.model and base.count("/") == 1:
        fields["base_model"] = base
    fields |= {"pipeline_tag": "text-generation", "tags": ["srft", "software-engineering"]}
    return "---\n" + "".join(f"{k}: {json.dumps(v)}\n" for k, v in fields.items()) + "---"


def _origin(arm: ArmSpec, base: str, inputs: Mapping[str, str]) -> dict[str, object]:
    rows: dict[str, object] = {"base model": base, "runs": arm.runs}
    if arm.labelled:
        rows["labels by"] = arm.critic or f"gold set {arm.gold}"
        rows["labels without loss"] = ", ".join(label.value for label in arm.mask) or "none"
        rows["steps without a label"] = "no loss" if arm.unlabeled == "mask" else "trained"
    return rows | {f"data version of {key}": version for key, version in sorted(inputs.items())}


def _settings(job: TrainingJob) -> dict[str, object]:
    apart = {"base_model", "data", "output", "save_seconds", "report_to", "options", "choice"}
    if job.method == "full":
        apart |= {"lora_rank", "lora_alpha"}
    return job.model_dump(mode="json", exclude=apart, exclude_none=True) | job.options


def _figures(result: TrainingResult) -> dict[str, object]:
    return {
        "rows": f"{result.rows:,}",
        "tokens": f"{result.tokens:,}",
        "tokens with loss": f"{result.trained_tokens:,} ({result.trained_share:.1%})",
        "padding": f"{result.padding_share:.2%}",
        "first loss": f"{result.loss_curve[0].loss:.4f}",
        "final loss": f"{result.final_loss:.4f}",
        "SHA-256 of the weights": result.weights_sha256,
    }


def _table(heading: str, rows: Mapping[str, object]) -> str:
    lines = [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items()]
    return "\n".join([f"## {heading}\n", "| | |", "| --- | --- |", *lines])


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def is_adapter(folder: Path) -> bool:
    """Whether a checkpoint holds only an adapter."""
    return (folder / "adapter_config.json").exists()
