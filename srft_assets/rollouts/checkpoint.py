"""What training left, ready to generate: a full model, or a LoRA adapter on its base model."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from srft_assets.errors import SrftError
from srft_assets.tokens.tokenizer import ChatTokenizer, load_tokenizer
from srft_assets.training.model import base_now
from srft_assets.trajectories.model import Message

ADAPTER = "adapter_config.json"
PLACEHOLDER = "\ue000"
"""Stands for a special token in somebody's words while the chat template is rendered."""


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
    from transformers import AutoModelForCausalLM

    if (folder / ADAPTER).exists():
        from peft import PeftModel

        base = adapter_base(folder)
        whole = AutoModelForCausalLM.from_pretrained(base, local_files_only=True)
        model: Any = PeftModel.from_pretrained(whole, str(folder)).merge_and_unload()
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


def _stops(model: Any, tokenizer: ChatTokenizer) -> tuple[int, ...]:
    stated = model.generation_config.eos_token_id
    ids = [] if stated is None else stated if isinstance(stated, list) else [stated]
    if tokenizer.hf.eos_token_id is not None:
        ids = [*ids, tokenizer.hf.eos_token_id]
    if not ids:
        raise SrftError(f"{tokenizer.name}: the model has no token that ends a turn")
    return tuple(sorted(set(ids)))


def prompt_ids(messages: Sequence[Message], tokenizer: ChatTokenizer) -> list[int]:
    """Token ids of the rendered chat with the generation prompt; contents are strings.

    Words of the task, of an output or of the model itself that look like a special token become
    ordinary tokens, as they do in training (`tokens.encode`). Raises SrftError where the chat
    template leaves such words out or repeats them.
    """
    said: list[str] = []
    suspicious = re.compile(f"{tokenizer.special_pattern.pattern}|{PLACEHOLDER}")

    def hide(found: re.Match[str]) -> str:
        said.append(found[0])
        return PLACEHOLDER

    safe = [
        {**message, "content": suspicious.sub(hide, message["content"])} for message in messages
    ]
    text = tokenizer.hf.apply_chat_template(safe, tokenize=False, add_generation_prompt=True)
    if not said:
        return tokenizer.backend.encode(text, add_special_tokens=False).ids
    if text.count(PLACEHOLDER) != len(said):
        raise SrftError(f"the chat template of {tokenizer.name} does not write each message once")
    return _in_pieces(text, said, tokenizer)


def _in_pieces(text: str, said: list[str], tokenizer: ChatTokenizer) -> list[int]:
    """Cut at the template's own special tokens; the rest is tokenized knowing none."""
    words = iter(said)
    ids: list[int] = []
    end = 0
    for cut in [*tokenizer.special_pattern.finditer(text), None]:
        piece = text[end : cut.start() if cut else len(text)]
        shown = re.sub(PLACEHOLDER, lambda _: next(words), piece)
        ids += tokenizer.literal_backend.encode(shown, add_special_tokens=False).ids
        if cut:
            ids.append(tokenizer.special_ids[cut[0]])
            end = cut.end()
    return ids
