"""Loading the base model for training, and saving what training made of it."""

import hashlib
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from srft_assets.errors import SrftError
from srft_assets.training.attention import register_segments, supports_segments
from srft_assets.training.job import TrainingJob
from srft_assets.training.plan import Layout

EDGE = 2**20
"""Bytes."""


def load_base(job: TrainingJob) -> tuple[Any, Any, Layout]:
    """Base model, its tokenizer, and how rows are laid out for it.

    float32 on a CPU. On a GPU a frozen base (LoRA) is bfloat16, or 4 bits (QLoRA); trained weights
    stay float32 under bfloat16 autocast. Raises SrftError where there is no model.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        model = AutoModelForCausalLM.from_pretrained(job.base_model, **_precision(job.method))
        tokenizer = AutoTokenizer.from_pretrained(job.base_model)
    except (OSError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SrftError(f"cannot load the base model {job.base_model}: {first}") from error
    if not supports_segments(model.config):
        return model, tokenizer, "padded"
    model.set_attn_implementation(register_segments())
    return model, tokenizer, "packed"


def _precision(method: str) -> dict[str, Any]:
    """Arguments of `from_pretrained`. The settings of QLoRA are those of arXiv 2305.14314."""
    import torch
    from transformers import BitsAndBytesConfig

    gpu = torch.cuda.is_available()
    if method != "qlora":
        return {"dtype": torch.bfloat16 if gpu and method == "lora" else torch.float32}
    if not gpu or find_spec("bitsandbytes") is None:
        lacking = "bitsandbytes" if gpu else "a GPU"
        raise SrftError(f"training.method qlora needs {lacking}, which is not here: use lora")
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    device = torch.cuda.current_device()
    return {"quantization_config": config, "dtype": torch.bfloat16, "device_map": {"": device}}


def check_vocabulary(model: Any, table: Any) -> None:
    """Raise SrftError where a row holds an id that the model has no embedding for."""
    import pyarrow.compute as pc

    largest = max(pc.max(chunk.flatten()).as_py() for chunk in table["input_ids"].chunks)
    rows = model.get_input_embeddings().weight.shape[0]
    if largest >= rows:
        raise SrftError(
            f"token id {largest} is beyond the model's {rows} embeddings: "
            "the rows were tokenized for another model; materialize masked_tokens again"
        )


def whole_weights(trainer: Any) -> Any:
    """Under FSDP the weights gathered from all processes, which all must call; otherwise None."""
    if not trainer.is_fsdp_enabled:
        return None
    return trainer.accelerator.get_state_dict(trainer.model_wrapped)


def save_model(model: Any, tokenizer: Any, folder: Path, weights: Any = None) -> str:
    """Write weights (safetensors) and tokenizer so that transformers and peft load the folder.

    `weights` stand in the place of the model's own where given. Returns the SHA-256 over the
    weight files.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    base.set_attn_implementation("sdpa")
    model.save_pretrained(folder, state_dict=weights)
    (folder / "README.md").unlink(missing_ok=True)
    tokenizer.save_pretrained(folder)
    return weights_sha256(folder)


def weights_sha256(folder: Path) -> str:
    """SHA-256 over the safetensors files of a folder, in name order."""
    sha = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            sha.update(hashlib.file_digest(file, "sha256").digest())
    return sha.hexdigest()


def base_digest(folder: Path) -> str:
    """16 hex digits that tell one base model folder from another, quickly whatever its size.

    Over the configuration, and of each weight file its name, its size, and its first and last
    MiB: a model that was trained on differs there too.
    """
    sha = hashlib.sha256()
    for path in sorted([*folder.glob("config.json"), *folder.glob("*.safetensors")]):
        size = path.stat().st_size
        sha.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            sha.update(file.read(EDGE))
            file.seek(max(0, size - EDGE))
            sha.update(file.read(EDGE))
    return sha.hexdigest()[:16]
