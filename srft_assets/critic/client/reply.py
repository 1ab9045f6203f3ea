"""A reply from the JSON of a chat completion."""

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
from srft_assets.critic.client.secrets import Secrets


def _or_none(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


def _text(content: Any) -> Any:
    """The text of a content that comes in parts, as some gateways send it."""
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        return "".join(part.get("text") or "" for part in content)
    return content


Aside = WrapValidator(_or_none)
"""An oddity beside the answer is no reason to lose the answer, which is paid for."""

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

    content: Annotated[str | None, BeforeValidator(_text)] = None
    refusal: Annotated[str | None, Aside] = None


class Choice(BaseModel):
    """One answer of the model."""

    message: Message
    finish_reason: Annotated[str | None, Aside] = None


class Completion(BaseModel):
    """The body of an answer, as far as it is used. Further fields may come."""

    choices: Annotated[list[Choice], Field(min_length=1)]
    model: Annotated[str | None, Aside] = None
    usage: Annotated[Usage | None, Aside] = None


def read_completion(body: bytes) -> Completion | None:
    """The answer, checked as far as it is used; None where the body holds no answer of a model."""
    try:
        return Completion.model_validate(orjson.loads(body))
    except (orjson.JSONDecodeError, ValidationError):
        return None


def reply_to(request: Request, completion: Completion, secrets: Secrets) -> Reply:
    """The reply, without what the client alone knows: attempts, time taken, who asked."""
    choice, usage, scrub = completion.choices[0], completion.usage, secrets.scrub_answer
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
