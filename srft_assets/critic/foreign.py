"""Text that others wrote, made safe to stand in a prompt."""

import re

from srft_assets.warehouse.visible import NOT_PRINTABLE, visible

CHAT_TOKENS = re.compile(
    r"<(?=[|｜][^\s<>]{1,80}[|｜]>"
    r"|/?s>|/?(?:think|tool_call|tool_response|start_of_turn|end_of_turn)>"
    r"|(?:bos|eos|pad|unk|sop|eop)>|</?SYS>>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS|TOOL_CALLS|THINK)\]|gMASK\])"
)
"""First character of what a chat template may write between turns: ChatML, Llama, Mistral, Gemma,
DeepSeek, GLM. A server that tokenizes a rendered chat reads such text as the token itself, so it
would end the user's turn."""


def readable(text: str) -> str:
    """The text with line breaks and tabs kept and everything else that hides made visible.

    Control characters, ANSI escapes, bidirectional and invisible characters and lone surrogates
    become symbols or `\\uXXXX` (see `visible`); `\\r\\n` becomes `\\n`. Tokens of chat templates
    get a space after their first character (`< |im_end|>`), so that no tokenizer knows them.
    """
    if not text.replace("\n", "").replace("\t", "").isprintable():
        shown = NOT_PRINTABLE.sub(_symbol, text.replace("\r\n", "\n"))
        text = shown.encode("utf-8", "backslashreplace").decode("utf-8")
    return CHAT_TOKENS.sub(r"\g<0> ", text)


def _symbol(found: re.Match[str]) -> str:
    return found[0] if found[0] in "\n\t" else visible(found[0])
