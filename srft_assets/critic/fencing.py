"""Text that others wrote in a prompt: readable, and between lines that it cannot write."""

import hashlib
import re
from collections.abc import Iterable

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


DIGITS = 8


def fence_id(seed: str, texts: Iterable[str]) -> str:
    """Hex digits that occur in none of the texts: the same for the same texts.

    Derived from `seed`, again and again until they occur nowhere. With the task as seed, runs of
    the same task share their fences, so that a server's prefix cache holds the task once.
    """
    everything = "\n".join(texts)
    for attempt in range(len(everything) + 1):
        made = hashlib.sha256(f"{attempt}\n{seed}".encode()).hexdigest()[:DIGITS]
        if made not in everything:
            return made
    raise AssertionError("a text holds fewer fences than characters")


def fenced(fence: str, kind: str, text: str, note: str = "") -> str:
    """The text between the lines `<kind_id note>` and `</kind_id>`."""
    return f"{opening(fence, kind, note)}\n{text}\n</{kind}_{fence}>"


def opening(fence: str, kind: str, note: str = "") -> str:
    """The line that begins a text."""
    return f"<{kind}_{fence} {note}>" if note else f"<{kind}_{fence}>"
