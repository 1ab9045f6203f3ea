"""Which special tokens end a turn of the model."""

from functools import lru_cache

from srft_assets.tokens.template import TEMPLATE_ERRORS, apply
from srft_assets.tokens.tokenizer import ChatTokenizer

OF_TOOL_CALLS = frozenset({"<|eom_id|>", "<|call|>"})
"""Llama 3.1 and gpt-oss hand over to a tool with these; not every folder says so."""


@lru_cache(maxsize=16)
def end_tokens(tokenizer: ChatTokenizer, source: str) -> frozenset[str]:
    """Texts of the special tokens that end a turn: those at which the model's files say it stops,
    those of tool calls, and the one that the template itself writes after a plain answer."""
    known = (tokenizer.stop_tokens | OF_TOOL_CALLS) & tokenizer.special_ids.keys()
    chat = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
    try:
        text = apply(tokenizer, source, chat, None)
    except TEMPLATE_ERRORS:
        return frozenset(known)
    found = tokenizer.special_pattern.match(text, text.rindex("!") + 1) if "!" in text else None
    return frozenset(known | {found[0]}) if found else frozenset(known)
