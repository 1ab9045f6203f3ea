"""The model's own chat template, applied as transformers applies it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError

from srft_assets.tokens.errors import RunRefusedError
from srft_assets.tokens.messages import arguments_forms, for_template
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.tokens.trace import Spans
from srft_assets.trajectories.model import Message, Trajectory


def rendered(
    run: Trajectory, tokenizer: ChatTokenizer, source: str
) -> tuple[list[Message], str, Spans | None]:
    """Messages in the form the template takes, their rendering, its `generation` spans.

    Raises RunRefusedError where the template fails on every form, or the text is not Unicode.
    """
    first: Exception | None = None
    for form in arguments_forms(source):
        messages = for_template(run.messages, form)
        try:
            text, generated = _apply(tokenizer, source, messages, run.tools)
        except (TemplateError, TypeError, ValueError, KeyError, AttributeError) as error:
            first = first or error
            continue
        if not _is_unicode(text):
            raise RunRefusedError("the run holds a lone surrogate, which no tokenizer can encode")
        return messages, text, generated
    raise RunRefusedError(f"the chat template fails on this run: {first}")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _apply(
    tokenizer: ChatTokenizer,
    source: str,
    messages: Sequence[Message],
    tools: list[dict[str, Any]] | None,
    generation_prompt: bool = False,
) -> tuple[str, Spans | None]:
    from transformers.utils.chat_template_utils import render_jinja_template

    marks = "endgeneration" in source
    rendered: Any = render_jinja_template(
        conversations=[list(messages)],
        tools=None if tools is None else list(tools),
        chat_template=source,
        return_assistant_tokens_mask=marks,
        add_generation_prompt=generation_prompt,
        **tokenizer.hf.special_tokens_map,
    )
    texts, blocks = rendered
    return texts[0], list(blocks[0]) if marks else None


def variables(tokenizer: ChatTokenizer) -> dict[str, Any]:
    """What a template sees besides messages and tools, as transformers gives it."""
    return {"documents": None, "add_generation_prompt": False, **tokenizer.hf.special_tokens_map}


@lru_cache(maxsize=16)
def generation_prompt(tokenizer: ChatTokenizer, source: str) -> str:
    """What the template writes to ask for an assistant turn, e.g. `<|im_start|>assistant\\n`.

    Raises RunRefusedError where it changes what comes before.
    """
    question = [{"role": "user", "content": "?"}]
    try:
        before, _ = _apply(tokenizer, source, question, None)
        after, _ = _apply(tokenizer, source, question, None, generation_prompt=True)
    except (TemplateError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise RunRefusedError(f"the chat template fails on a plain question: {error}") from error
    if not after.startswith(before):
        raise RunRefusedError("the chat template's generation prompt changes what precedes it")
    return after[len(before) :]
