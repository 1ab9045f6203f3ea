"""A chat so far as the token ids that ask for the next turn."""

import re
from collections.abc import Sequence

from srft_assets.errors import SrftError
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Message

PLACEHOLDER = "\ue000"
"""Stands for a special token in somebody's words while the template is rendered."""


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
