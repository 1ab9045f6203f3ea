"""A reply from the JSON of a chat completion."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from srft_assets.critic.call import Reply, Request
from srft_assets.critic.failures import Secrets


def _or_none(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


def _text(content: Any) -> Any:
    """Text that UTF-8 can hold; also of a content that comes in parts, as some gateways send it."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(part for part in parts if isinstance(part, str))
    return content.encode("utf-8", "replace").decode() if isinstance(content, str) else content


ANSWER_CHARS = 512 * 1024
"""A longer answer or refusal is cut: it is no sound one."""

Aside = WrapValidator(_or_none)
"""An oddity beside the answer is no reason to lose the answer, which is paid for."""

Text = Annotated[str | None, BeforeValidator(_text)]

Count = Annotated[int, Field(ge=0, lt=2**53)]


class Details(BaseModel):
    """Parts of a count of tokens."""

    cached_tokens: Annotated[Count | None, Aside] = None


class Usage(BaseModel):
    """Tokens, as the server counts them. Some servers count nothing."""

    prompt_tokens: Annotated[Count | None, Aside] = None
    completion_tokens: Annotated[Count | None, Aside] = None
    prompt_tokens_details: Annotated[Details | None, Aside] = None


class Message(BaseModel):
    """The model's words; a model that reasons may send `reasoning_content` beside them."""

    content: Text = None
    refusal: Annotated[Text, Aside] = None


class Choice(BaseModel):
    """One answer of the model."""

    message: Message
    finish_reason: Annotated[Text, Aside] = None


class Completion(BaseModel):
    """The body of an answer, as far as it is used. Further fields may come."""

    choices: Annotated[list[Choice], Field(min_length=1)]
    model: Annotated[Text, Aside] = None
    usage: Annotated[Usage | None, Aside] = None


def read_completion(body: bytes) -> Completion | None:
    """The answer, checked as far as it is used; None where the body holds no answer of a model."""
    try:
        return Completion.model_validate(_parsed(body))
    except (ValueError, RecursionError):
        return None


def _parsed(body: bytes) -> Any:
    """JSON; loosely where need be: raw control characters and halves of surrogate pairs pass."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body, strict=False)


def reply_to(request: Request, completion: Completion, secrets: Secrets) -> Reply:
    """The reply, without what the client alone knows: attempts, time taken, who asked."""
    choice, usage = completion.choices[0], completion.usage

    def scrub(text: str | None) -> str | None:
        return text and secrets.scrub_answer(text[:ANSWER_CHARS])

    cached = usage.prompt_tokens_details if usage else None
    return Reply(
        key=request.key,
        content=scrub(choice.message.content),
        refusal=scrub(choice.message.refusal),
        finish_reason=choice.finish_reason,
        model=scrub(completion.model) or str(request.body.get("model", "")),
        prompt_tokens=(usage and usage.prompt_tokens) or 0,
        completion_tokens=(usage and usage.completion_tokens) or 0,
        cached_tokens=(cached and cached.cached_tokens) or 0,
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        about=request.about,
    )
