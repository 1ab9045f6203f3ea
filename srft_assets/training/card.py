"""The model card of a checkpoint."""

import json
from collections.abc import Mapping

from srft_assets.tokens.arm import ArmSpec
from srft_assets.training.checkpoint import TrainingResult, ValidationResult, is_adapter
from srft_assets.training.job import TrainingJob

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
                **_validation(result.validation),
                "SHA-256 of the weights": result.weights_sha256,
            },
        ),
        "## Loading\n" + loading.rstrip(),
    ]
    return "\n\n".join(sections) + "\n"


def _validation(found: ValidationResult | None) -> dict[str, object]:
    if found is None:
        return {}
    kept = found.kept
    losses = {"validation loss": kept.loss}
    losses |= {f"validation loss of {label} steps": one for label, one in kept.by_label.items()}
    told = {name: f"{loss:.4f}" for name, loss in losses.items()}
    return {"held-out tasks": f"{found.tasks:,}", "weights of step": kept.step, **told}


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
    names += ["warmup_ratio", "max_length", "normalise", "mixing", "validation"]
    names += ["lora_rank", "lora_alpha"] if job.method != "full" else []
    of_job = job.model_dump(mode="json", exclude={"validation"})
    stated = arm.training.model_dump(mode="json", exclude_none=True) | of_job
    return {name: stated[name] for name in [*names, "seed"] if name in stated} | job.options


def _table(heading: str, rows: Mapping[str, object]) -> str:
    lines = [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items()]
    return "\n".join([f"## {heading}\n", "| | |", "| --- | --- |", *lines])


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
