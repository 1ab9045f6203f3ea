"""A reply from the JSON of a chat completion."""

import orjson
from pydantic import BaseModel, Field, ValidationError


class Details(BaseModel):
    """Parts of a count of tokens."""

    cached_tokens: int | None = None


class Usage(BaseModel):
    """Tokens, as the server counts them. Some servers count nothing."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: Details | None = None


class Message(BaseModel):
    """The model's words; a model that reasons may send `reasoning_content` beside them."""

    content: str | None = None
    refusal: str | None = None


class Choice(BaseModel):
    """One answer of the model."""

    message: Message
    finish_reason: str | None = None


class Completion(BaseModel):
    """The body of an answer, as far as it is used. Further fields may come."""

    choices: list[Choice] = Field(min_length=1)
    model: str | None = None
    usage: Usage | None = None


def read_completion(body: bytes) -> Completion | None:
    """The answer, checked as far as it is used; None where the body holds no answer of a model."""
    try:
        return Completion.model_validate(orjson.loads(body))
    except (orjson.JSONDecodeError, ValidationError):
        return None
