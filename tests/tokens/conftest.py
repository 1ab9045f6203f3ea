"""A small tokenizer of the common kind, and runs to mask."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest

from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Message, Step, Trajectory
from tests.tokens.templates import CHATML

SPECIAL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|python_tag|>",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[INST]",
    "[/INST]",
    "[TOOL_CALLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "<｜User｜>",
    "<｜Assistant｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁outputs▁begin｜>",
    "<｜tool▁outputs▁end｜>",
    "<｜end▁of▁sentence｜>",
    "<start_of_turn>",
    "<end_of_turn>",
]

TEXTS = [
    "I look at the file.\n\n```bash\ncat src/parser.py\n```\n",
    "assistant\n\nThe tests fail because the function returns None.\nuser\nsystem\n",
    '<tool_call>\n{"name": "bash", "arguments": {"command": "ls -la"}}\n</tool_call>',
    "def add(a, b):\n    return a - b\n\n\nclass Über:\n    größe = 1\n",
]


def run_of(messages: Sequence[Message], tools: list[dict[str, Any]] | None = None) -> Trajectory:
    """A run with a step for each assistant message."""
    places = [i for i, message in enumerate(messages) if message["role"] == "assistant"]
    steps = [Step(number, place, "") for number, place in enumerate(places)]
    return Trajectory("task.0", "task", "unknown", "messages", list(messages), steps, tools=tools)


def all_of(run: Trajectory) -> dict[int, bool]:
    """Every step trained."""
    return {step.step_index: True for step in run.steps}


@pytest.fixture(scope="session")
def tokenizer_with() -> Callable[..., ChatTokenizer]:
    """A byte-level BPE tokenizer with the given chat template, one for all that ask for the same;
    `unflagged` are added tokens that its file does not call special."""
    from tokenizers import (
        AddedToken,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        trainers,
    )
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(TEXTS * 20, trainer)
    source = backend.to_str()

    @cache
    def make(
        template: str = CHATML, nfc: bool = False, unflagged: tuple[str, ...] = ()
    ) -> ChatTokenizer:
        backend = Tokenizer.from_str(source)
        backend.add_tokens([AddedToken(word, normalized=False) for word in unflagged])
        if nfc:
            backend.normalizer = normalizers.NFC()
        hf = PreTrainedTokenizerFast(
            tokenizer_object=backend,
            bos_token="<|endoftext|>",
            eos_token="<|im_end|>",
            chat_template=template,
        )
        return ChatTokenizer("test", hf)

    return make


@pytest.fixture(scope="session")
def chatml(tokenizer_with: Callable[..., ChatTokenizer]) -> ChatTokenizer:
    """With SmolLM2's template."""
    return tokenizer_with()
