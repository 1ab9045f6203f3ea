"""Text that others wrote, made safe to stand in a prompt."""

import re

from srft_assets.warehouse.visible import NOT_PRINTABLE, visible

CHAT_TOKENS = (
    (
        re.compile(
            r"<(?=[|｜][^\s<>]{1,80}[|｜]>"
            r"|/?(?:s|think|tool_call|tool_response|start_of_turn|end_of_turn)>"
            r"|(?:bos|eos|pad|unk|sop|eop)>|</?SYS>>)"
        ),
        "< ",
    ),
    (
        re.compile(
            r"\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS|TOOL_CALLS|THINK)\]|gMASK\])"
        ),
        "[ ",
    ),
)
"""What a chat template may write between turns, by its first character, and what stands there
instead: ChatML, Llama, Mistral, Gemma, DeepSeek, GLM. A server that tokenizes a rendered chat reads
such text as the token itself, so it would end the user's turn. One pattern for each first
character, because a search for a fixed one is many times faster."""

HIDDEN = re.compile(rf"(?![\n\t]){NOT_PRINTABLE.pattern}")
PLAIN = bytes([0x09, 0x0A, *range(0x20, 0x7F)])


def readable(text: str) -> str:
    """The text with line breaks and tabs kept and everything else that hides made visible.

    Control characters, ANSI escapes, bidirectional and invisible characters and lone surrogates
    become symbols or `\\uXXXX` (see `visible`); `\\r\\n` becomes `\\n`. Tokens of chat templates
    get a space after their first character (`< |im_end|>`), so that no tokenizer knows them.
    """
    if not _is_plain(text):
        shown = HIDDEN.sub(lambda found: visible(found[0]), text.replace("\r\n", "\n"))
        text = shown.encode("utf-8", "backslashreplace").decode("utf-8")
    for token, instead in CHAT_TOKENS:
        text = token.sub(instead, text)
    return text


def _is_plain(text: str) -> bool:
    """Whether there is nothing to make visible, which is so of most texts."""
    if text.isascii():
        return not text.encode().translate(None, PLAIN)
    return text.replace("\n", "").replace("\t", "").isprintable()
