"""What training left, ready to generate: a full model, or a LoRA adapter on its base model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from srft_assets.errors import SrftError
from srft_assets.tokens.mask import by_pieces
from srft_assets.tokens.render import render_prompt
from srft_assets.tokens.template import suitable_template
from srft_assets.tokens.tokenizer import ChatTokenizer, load_tokenizer
from srft_assets.training.model import base_now
from srft_assets.trajectories.model import Message

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

    The tokenizer is the folder's own, else that of the adapter's base model. Raises SrftError
    naming the folder where it holds no checkpoint, or none that ends its turns.
    """
    from transformers import AutoModelForCausalLM, GenerationConfig

    if (folder / ADAPTER).exists():
        from peft import PeftModel

        base = adapter_base(folder)
        whole = AutoModelForCausalLM.from_pretrained(base, local_files_only=True)
        model: Any = PeftModel.from_pretrained(whole, str(folder)).merge_and_unload()
        if (folder / "generation_config.json").exists():
            model.generation_config = GenerationConfig.from_pretrained(folder)
        own = (folder / "tokenizer_config.json").exists()
        tokenizer = load_tokenizer(folder if own else base)
    elif (folder / "config.json").exists():
        model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
        tokenizer = load_tokenizer(folder)
    else:
        raise SrftError(f"{folder}: no checkpoint here (neither config.json nor {ADAPTER})")
    model.eval()
    context = int(model.config.max_position_embeddings)
    return Checkpoint(model, tokenizer, context, _stops(model, tokenizer))


def adapter_base(folder: Path) -> str:
    """The base model of an adapter, also where the platform was moved since."""
    stated = orjson.loads((folder / ADAPTER).read_bytes())["base_model_name_or_path"]
    return base_now(stated, folder)


def adapter_rank(folder: Path) -> int:
    """Rank of an adapter's matrices, as its configuration states it; 0 where it does not."""
    return int(orjson.loads((folder / ADAPTER).read_bytes()).get("r") or 0)


def _stops(model: Any, tokenizer: ChatTokenizer) -> tuple[int, ...]:
    """Where its files say that it stops, and where its template ends a turn: of a base with a
    ChatML template the files may know `<|endoftext|>` only."""
    stated = model.generation_config.eos_token_id
    ids = {*(stated if isinstance(stated, list) else [stated]), tokenizer.hf.eos_token_id} - {None}
    ids.update(ends_of_turns(tokenizer))
    if not ids:
        raise SrftError(f"{tokenizer.name}: the model has no token that ends a turn")
    return tuple(sorted(ids))


def ends_of_turns(tokenizer: ChatTokenizer) -> tuple[int, ...]:
    """Ids of the tokens with which the chat template ends a turn."""
    ends = suitable_template(tokenizer, None).end_tokens
    return tuple(sorted(tokenizer.special_ids[end] for end in ends))


def prompt_ids(messages: Sequence[Message], tokenizer: ChatTokenizer) -> list[int]:
    """Token ids of the rendered chat with the generation prompt, made as those of training.

    Words of the task, of an output or of the model itself that look like a special token become
    ordinary tokens. Raises RunRefusedError where the chat template does not allow it.
    """
    ids, _ = by_pieces(render_prompt(messages, None, tokenizer), tokenizer)
    return ids.tolist()
