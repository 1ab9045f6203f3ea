"""Vocabularies of SentencePiece's kind: exact where the tokens say all of the text."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.tokens.mask import encode, mask_run
from srft_assets.tokens.render import Rendering, render
from srft_assets.tokens.token_labels import RunRefusedError
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Message
from tests.tokens.chats import QUICK, TEXT, assert_sound, chats
from tests.tokens.conftest import SPECIAL, TEXTS, all_of, run_of
from tests.tokens.templates import CHATML, MISTRAL

REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
PREPEND = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, REPLACE]}
METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
STRIP = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
KINDS: dict[str, dict[str, Any]] = {
    "gemma": {"normalizer": REPLACE, "strip": []},
    "llama-2": {"normalizer": PREPEND, "strip": [STRIP]},
    "metaspace": {"pre_tokenizer": METASPACE, "strip": [STRIP]},
}
"""Normalizer, pre-tokenizer and decoder as the files of these models state them."""


def vocabulary(byte_fallback: bool) -> dict[str, Any]:
    """A trained BPE model whose spaces are `▁`, with or without a token for every byte."""
    from tokenizers import Tokenizer, models, normalizers, trainers

    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.normalizer = normalizers.Replace(" ", "▁")
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<unk>", *SPECIAL], show_progress=False
    )
    backend.train_from_iterator([line for text in TEXTS for line in text.split("\n")] * 20, trainer)
    stated = orjson.loads(backend.to_str())
    model = stated["model"] | {"byte_fallback": byte_fallback, "fuse_unk": True}
    if byte_fallback:
        names = [f"<0x{byte:02X}>" for byte in range(256)]
        size = len(model["vocab"])
        model["vocab"] |= {name: size + at for at, name in enumerate(names)}
    return stated | {"model": model}


@pytest.fixture(scope="module")
def sentencepiece() -> Callable[..., ChatTokenizer]:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    trained = {fallback: vocabulary(fallback) for fallback in (True, False)}

    def make(kind: str, template: str = CHATML, byte_fallback: bool = True) -> ChatTokenizer:
        parts = KINDS[kind]
        replace = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
        decoders = [replace, {"type": "ByteFallback"}, {"type": "Fuse"}, *parts["strip"]]
        stated = trained[byte_fallback] | {
            "normalizer": parts.get("normalizer"),
            "pre_tokenizer": parts.get("pre_tokenizer"),
            "decoder": {"type": "Sequence", "decoders": decoders},
        }
        hf = PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer.from_str(orjson.dumps(stated).decode()),
            bos_token="<|endoftext|>",
            eos_token="<|im_end|>",
            unk_token="<unk>",
            chat_template=template,
        )
        return ChatTokenizer("test", hf)

    return make


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("template", [CHATML, MISTRAL], ids=["chatml", "mistral"])
@QUICK
@given(chat=chats(TEXT), data=st.data())
def test_trained_tokens_decode_to_the_accepted_turns(
    kind: str,
    template: str,
    chat: list[Message],
    data: st.DataObject,
    sentencepiece: Callable[..., ChatTokenizer],
) -> None:
    tokenizer = sentencepiece(kind, template)
    run = run_of(chat)
    keep = {step.step_index: data.draw(st.booleans()) for step in run.steps}
    row = mask_run(run, keep, tokenizer)
    assert_sound(row, run, keep)
    expected = encode(render(run, tokenizer), tokenizer)
    assert row.input_ids.tolist() == expected.ids.tolist()
    for span, step in zip(row.spans, run.steps, strict=True):
        said = chat[step.message_index]["content"].replace("▁", " ") + "<|im_end|>"
        text = tokenizer.decode(row.input_ids[span.start : span.end].tolist())
        missing = said.removesuffix(text.removeprefix(" "))
        assert not missing or missing.isspace()


@pytest.mark.parametrize("kind", list(KINDS))
@QUICK
@given(chat=chats(st.text(max_size=20)))
def test_ids_are_those_of_the_unmasked_rendering(
    kind: str, chat: list[Message], sentencepiece: Callable[..., ChatTokenizer]
) -> None:
    tokenizer = sentencepiece(kind)
    run = run_of(chat)
    expected = tokenizer.hf.apply_chat_template(chat)["input_ids"]
    assert mask_run(run, all_of(run), tokenizer).input_ids.tolist() == expected


def test_only_a_vocabulary_that_adds_spaces_needs_offsets(
    sentencepiece: Callable[..., ChatTokenizer],
) -> None:
    text = "<|im_start|>assistant\nläuft 👩‍🚀<|im_end|>"
    exact = {kind: encode(Rendering(text, (), ()), sentencepiece(kind)).exact for kind in KINDS}
    assert exact == {"gemma": True, "llama-2": False, "metaspace": True}


def test_text_that_becomes_unknown_tokens_is_refused(
    sentencepiece: Callable[..., ChatTokenizer],
) -> None:
    tokenizer = sentencepiece("gemma", byte_fallback=False)
    chat = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "läuft 👩‍🚀"}]
    with pytest.raises(RunRefusedError, match="the tokens of step 0 do not decode to its text"):
        mask_run(run_of(chat), {0: True}, tokenizer)
