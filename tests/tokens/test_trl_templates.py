"""The chat templates that TRL carries: each is masked exactly, or refused with a reason."""

import json
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.tokens.mask import mask_run
from srft_assets.tokens.template import RENDER_DATE
from srft_assets.tokens.token_labels import RunRefusedError
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Message
from tests.tokens.chats import QUICK, UNSPECIAL, assert_sound, chats, decoded
from tests.tokens.conftest import TEXTS, all_of, run_of

SPEC = find_spec("trl")
FOLDER = Path(SPEC.origin).parent / "chat_templates" if SPEC and SPEC.origin else Path("absent")
SPECIAL = re.compile(
    r"<[|｜][^<>{}'\" ]{1,40}[|｜]>|\[/?[A-Z_]{3,20}\]|</?s>"
    r"|<(?:bos|eos|start_of_turn|end_of_turn|turn\||\|turn)>"
)
ENDS = ("im_end", "eot_id", "end▁of▁sentence", "end_of_turn", "<|end|>", "END_OF_TURN")
NAMES = sorted(path.stem for path in FOLDER.glob("*.jinja"))
PICTURES = re.compile("llava|idefics|smolvlm")
"""Templates of models that see; they want parts, or end a turn by no token."""

PLAIN: list[Message] = [
    {"role": "user", "content": "add(1, 2) gives -1"},
    {"role": "assistant", "content": "I look.\nls"},
    {"role": "user", "content": "return a - b"},
    {"role": "assistant", "content": "I edit."},
]
PARAMETERS = {"type": "object", "properties": {"command": {"type": "string", "description": ""}}}
BASH = {"name": "bash", "description": "Runs a command.", "parameters": PARAMETERS}
TOOLS = [{"type": "function", "function": BASH}]
OPEN = "no end-of-turn token closes step"
NO_END = "does not end a turn of this model"
ROLES = "roles must alternate"
LEFT_OUT = "leaves out text of message"
REFUSED = {
    "phi3_training": "generation block",
    "phi3_5_training": "generation block",
}
REFUSED_CALLS = REFUSED | {
    "cohere": ROLES,
    "cohere2": ROLES,
    "cohere2_training": ROLES,
    "cohere_training": ROLES,
    "deepseek_r1_distill": NO_END,
    "deepseek_r1_distill_training": NO_END,
    "deepseekv3": "does not open step",
    "deepseekv3_training": "does not open step",
    "diffusion_gemma": OPEN,
    "diffusion_gemma_training": OPEN,
    "gemma": ROLES,
    "gemma3": ROLES,
    "gemma3_training": ROLES,
    "gemma4": OPEN,
    "gemma4_v3": OPEN,
    "gemma4_v4": OPEN,
    "gemma4_v5": OPEN,
    "gemma_training": ROLES,
    "glm4moe_training": NO_END,
    "phi3": LEFT_OUT,
    "phi3_5": LEFT_OUT,
    "phi3_5_training": LEFT_OUT,
    "phi3_training": LEFT_OUT,
}
"""Template → why it cannot be masked: plain chats, and chats of tool calls without words."""

PROPERTIES = [
    "lfm2",
    "llama3_1",
    "nemotron_3_nano",
    "phi3",
    "qwen2_5",
    "qwen2_5_training",
]
PROPERTIES += ["qwen3", "qwen3_instruct_2507_training", "qwen3_training", "cohere2", "gemma3"]

pytestmark = pytest.mark.skipif(not NAMES, reason="TRL is not installed, or carries no templates")


@lru_cache(maxsize=4)
def tokenizer_for(name: str) -> ChatTokenizer:
    """A small byte-level tokenizer with the special tokens that the template names."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    source = (FOLDER / f"{name}.jinja").read_text()
    special = sorted({*SPECIAL.findall(source), "<|endoftext|>", "<eos>"})
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(TEXTS, trainer)
    ends = (token for token in special if any(end in token for end in ENDS))
    hf = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<|endoftext|>",
        eos_token=next(ends, "<eos>"),
        chat_template=source,
    )
    return ChatTokenizer(name, hf)


def calling() -> list[Message]:
    """Two tool calls in a row, each answered, and a last word."""
    chat: list[Message] = PLAIN[:1]
    for number in range(2):
        function: dict[str, Any] = {"name": "bash", "arguments": json.dumps({"command": "ls -la"})}
        calls = [{"id": f"call_{number}", "type": "function", "function": function}]
        answer = {"role": "tool", "tool_call_id": f"call_{number}", "name": "bash"}
        chat = [*chat, {"role": "assistant", "content": None, "tool_calls": calls}]
        chat.append({**answer, "content": "add.py"})
    return [*chat, PLAIN[3]]


def assert_masked_or_refused(
    name: str, chat: list[Message], tools: list | None, reason: str | None
) -> None:
    run = run_of(chat, tools)
    tokenizer = tokenizer_for(name)
    if reason is not None:
        with pytest.raises(RunRefusedError, match=reason):
            mask_run(run, all_of(run), tokenizer)
        return
    row = mask_run(run, all_of(run), tokenizer)
    for step, text in zip(run.steps, decoded(row, tokenizer), strict=True):
        message = chat[step.message_index]
        assert (message["content"] or "ls -la") in text


@pytest.mark.parametrize("name", [name for name in NAMES if not PICTURES.search(name)])
def test_every_template_is_masked_exactly_or_refused(name: str) -> None:
    assert_masked_or_refused(name, PLAIN, None, REFUSED.get(name))
    assert_masked_or_refused(name, calling(), TOOLS, REFUSED_CALLS.get(name))


@pytest.mark.parametrize("name", PROPERTIES)
@QUICK
@given(chat=chats(UNSPECIAL), data=st.data())
def test_any_chat_keeps_its_ids_and_trains_what_was_accepted(
    name: str, chat: list[Message], data: st.DataObject
) -> None:
    tokenizer = tokenizer_for(name)
    run = run_of(chat)
    keep = {step.step_index: data.draw(st.booleans()) for step in run.steps}
    row = mask_run(run, keep, tokenizer)
    assert_sound(row, run, keep)
    date = RENDER_DATE.strftime("%d %b %Y")
    expected = tokenizer.hf.apply_chat_template(chat, date_string=date)["input_ids"]
    assert row.input_ids.tolist() == expected
    for step, text in zip(run.steps, decoded(row, tokenizer), strict=True):
        assert chat[step.message_index]["content"].strip() in text
