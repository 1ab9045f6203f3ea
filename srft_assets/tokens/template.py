"""A model's chat template, applied as transformers applies it, but on a fixed date."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError

from srft_assets.tokens.row import RunRefusedError
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Message

Spans = list[tuple[int, int]]
"""Half-open ranges of characters."""
Tools = list[dict[str, Any]] | None
"""Schemas of the tools that a run was offered."""

RENDER_DATE = datetime(2024, 7, 26)
"""What `strftime_now` tells a template. Llama 3.1 writes today's date into the system prompt: the
same run would give other tokens every day. This is the date its template has for itself."""

TEMPLATE_ERRORS = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What a template raises on a chat that it was not written for."""

END_OF_TOOL_CALLS = frozenset({"<|eom_id|>", "<|call|>"})
"""Llama 3.1 and gpt-oss hand over to a tool with these; not every folder says so."""


@lru_cache(maxsize=16)
def compiled(source: str, marker: Any = None) -> Template:
    """The template in the sandbox that transformers compiles it in, with the date fixed.

    `marker`, a Jinja NodeTransformer, may change the syntax tree; see `trace`.
    """
    # Private: the public `render_jinja_template` takes neither a date nor a syntax tree, and the
    # sandbox for templates of strangers should not exist a second time here.
    from transformers.utils.chat_template_utils import _compile_jinja_template

    environment: Any = _compile_jinja_template(source).environment
    tree = environment.parse(source)
    if marker is not None:
        tree = marker().visit(tree)
        tree.set_environment(environment)
    names = environment.make_globals({"strftime_now": RENDER_DATE.strftime})
    return Template.from_code(environment, environment.compile(tree), names)


def variables(tokenizer: ChatTokenizer) -> dict[str, Any]:
    """What a template sees besides messages and tools, as transformers gives it."""
    return {"documents": None, "add_generation_prompt": False, **tokenizer.hf.special_tokens_map}


def apply(
    tokenizer: ChatTokenizer,
    source: str,
    messages: Sequence[Message],
    tools: Tools,
    generation_prompt: bool = False,
) -> str:
    """The text that `apply_chat_template` gives. Raises `TEMPLATE_ERRORS`."""
    stated = variables(tokenizer) | {"add_generation_prompt": generation_prompt}
    return compiled(source).render(messages=list(messages), tools=tools, **stated)


def generation_blocks(
    tokenizer: ChatTokenizer, source: str, messages: Sequence[Message], tools: Tools
) -> Spans | None:
    """What the template's own `{% generation %}` blocks say that the assistant wrote.

    None where it has no such blocks. Raises `TEMPLATE_ERRORS`.
    """
    if "endgeneration" not in source:
        return None
    template = compiled(source)
    environment: Any = template.environment
    pieces: list[str] = []
    blocks: Spans = []
    with environment.activate_tracker(pieces, blocks):
        for piece in template.generate(
            messages=list(messages), tools=tools, **variables(tokenizer)
        ):
            pieces.append(piece)
    return blocks


@lru_cache(maxsize=16)
def generation_prompt(tokenizer: ChatTokenizer, source: str) -> str:
    """What the template writes after a plain question to ask for an assistant turn.

    Raises RunRefusedError where it changes what comes before.
    """
    try:
        prompt = _prompt_after([{"role": "user", "content": "?"}], None, tokenizer, source)
    except TEMPLATE_ERRORS as error:
        raise RunRefusedError(f"the chat template fails on a plain question: {error}") from error
    if prompt is None:
        raise RunRefusedError("the chat template's generation prompt changes what precedes it")
    return prompt


def prompts_after(
    messages: Sequence[Message], tools: Tools, tokenizer: ChatTokenizer, source: str
) -> tuple[str, str | None]:
    """The text that asks for the turn after these messages, and its generation prompt alone.

    For templates whose generation prompt depends on what was said: DeepSeek's closes the tool
    outputs instead of naming the assistant. Raises RunRefusedError where the template fails.
    """
    try:
        asked = apply(tokenizer, source, messages, tools, generation_prompt=True)
        return asked, _prompt_after(messages, tools, tokenizer, source)
    except TEMPLATE_ERRORS as error:
        raise RunRefusedError(f"the chat template fails on the start of a run: {error}") from error


def _prompt_after(
    messages: Sequence[Message], tools: Tools, tokenizer: ChatTokenizer, source: str
) -> str | None:
    """The generation prompt after these messages; None where asking changes what was said.

    Phi-3 closes a chat that asks for nothing with one more special token, which asking replaces.
    """
    before = apply(tokenizer, source, messages, tools)
    after = apply(tokenizer, source, messages, tools, generation_prompt=True)
    if after.startswith(before):
        return after[len(before) :]
    pairs = zip(before, after, strict=False)
    shared = next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(before), len(after)))
    cut = [found.start() for found in tokenizer.special_pattern.finditer(before)]
    same = max((place for place in cut if place <= shared), default=0)
    closing = tokenizer.special_pattern.sub("", before[same:])
    return None if closing.strip() else after[same:]


@lru_cache(maxsize=16)
def end_tokens(tokenizer: ChatTokenizer, source: str) -> frozenset[str]:
    """Texts of the special tokens that end a turn of the model.

    They are those at which the model's files say it stops, those of tool calls, and the one that
    the template itself writes after a plain answer.
    """
    known = (tokenizer.stop_tokens | END_OF_TOOL_CALLS) & tokenizer.special_ids.keys()
    chat = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
    try:
        text = apply(tokenizer, source, chat, None)
    except TEMPLATE_ERRORS:
        return frozenset(known)
    found = tokenizer.special_pattern.match(text, text.rindex("!") + 1) if "!" in text else None
    return frozenset(known | {found[0]}) if found else frozenset(known)
