"""Loading what training left: a full model, or a LoRA adapter on its base model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from srft_assets.errors import SrftError
from srft_assets.tokens.tokenizer import ChatTokenizer, load_tokenizer
from srft_assets.training.model import base_now

ADAPTER = "adapter_config.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A causal language model ready to generate, with its tokenizer.

    Attributes:
        context: tokens that prompt and answer may take together.
        stops: token ids that end a turn.
    """

    model: Any
    tokenizer: ChatTokenizer
    context: int
    stops: tuple[int, ...]


def load_checkpoint(folder: Path) -> Checkpoint:
    """Load weights and tokenizer from a folder, without network. Adapters are merged.

    Raises SrftError naming the folder where it holds no checkpoint, or none
    that ends its turns.
    """
    adapter = folder / ADAPTER
    if not adapter.exists() and not (folder / "config.json").exists():
        raise SrftError(f"{folder}: no checkpoint here (neither config.json nor {ADAPTER})")
    model = _adapted(folder) if adapter.exists() else _whole(folder)
    model.eval()
    tokenizer = _tokenizer(folder, adapter)
    return Checkpoint(
        model=model,
        tokenizer=tokenizer,
        context=int(model.config.max_position_embeddings),
        stops=_stops(model, tokenizer),
    )


def _whole(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)


def _adapted(folder: Path) -> Any:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(_base(folder), local_files_only=True)
    return PeftModel.from_pretrained(base, str(folder)).merge_and_unload()


def _base(folder: Path) -> str:
    """The base model of an adapter, also where the platform was moved since."""
    stated = orjson.loads((folder / ADAPTER).read_bytes())["base_model_name_or_path"]
    return base_now(stated, folder)


def _tokenizer(folder: Path, adapter: Path) -> ChatTokenizer:
    """The folder's own tokenizer, else that of the adapter's base model."""
    if (folder / "tokenizer_config.json").exists() or not adapter.exists():
        return load_tokenizer(folder)
    return load_tokenizer(_base(folder))


def _stops(model: Any, tokenizer: ChatTokenizer) -> tuple[int, ...]:
    stated = model.generation_config.eos_token_id
    ids = [] if stated is None else stated if isinstance(stated, list) else [stated]
    if tokenizer.hf.eos_token_id is not None:
        ids = [*ids, tokenizer.hf.eos_token_id]
    if not ids:
        raise SrftError(f"{tokenizer.name}: the model has no token that ends a turn")
    return tuple(sorted(set(ids)))
