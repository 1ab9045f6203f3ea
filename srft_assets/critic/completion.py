"""A chat completion, read from whatever servers send as one."""

import json
from dataclasses import dataclass
from typing import Any

import orjson

from srft_assets.critic.calls import says_nothing

ANSWER_CHARS = 512 * 1024
"""A longer answer or refusal is cut: it is no sound one."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A chat completion, as far as it is used; counts of tokens are 0 where the server has none."""

    content: str | None
    refusal: str | None
    finish_reason: str | None
    model: str | None
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


def read_completion(body: bytes) -> Completion | None:
    """The answer in a body; None where it holds no answer of a model."""
    return completion_of(parsed(body))


def completion_of(answer: Any) -> Completion | None:
    """The same of what was parsed.

    An oddity beside the answer is no reason to lose the answer, which is paid for. What a model
    wrote into its reasoning alone is taken as its answer, unless it was cut there.
    """
    choices = _at(answer, "choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = _at(choice, "message")
    content = _at(message, "content")
    if not isinstance(message, dict) or not isinstance(content, str | list | None):
        return None
    usage = _at(answer, "usage")
    thought = _text(_at(message, "reasoning_content")) or _text(_at(message, "reasoning"))
    finish = _text(_at(choice, "finish_reason"))
    completion = Completion(
        content=_text(content) or (thought if finish != "length" else None),
        refusal=_text(_at(message, "refusal")),
        finish_reason=finish,
        model=_text(_at(answer, "model")),
        prompt_tokens=_count(_at(usage, "prompt_tokens")),
        completion_tokens=_count(_at(usage, "completion_tokens")),
        cached_tokens=_count(_at(_at(usage, "prompt_tokens_details"), "cached_tokens")),
    )
    return None if _at(choice, "error") or says_nothing(completion) else completion


def parsed(body: bytes) -> Any:
    """JSON, or None; loosely where need be: raw control characters and halves of surrogate pairs
    pass."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            return json.loads(body, strict=False)
        except (ValueError, RecursionError):
            return None


def _at(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _text(value: Any) -> str | None:
    """Text that UTF-8 can hold; also of a content that comes in parts, as some gateways send it."""
    if isinstance(value, list):
        parts = [_at(part, "text") for part in value]
        value = "".join(part for part in parts if isinstance(part, str))
    if not isinstance(value, str):
        return None
    return value[:ANSWER_CHARS].encode("utf-8", "replace").decode()


def _count(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**53 else 0
