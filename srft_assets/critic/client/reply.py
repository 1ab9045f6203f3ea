"""A reply from the JSON of a chat completion."""

from typing import Any

import orjson
from pydantic import BaseModel, Field, ValidationError

from srft_assets.critic.client.errors import TransientError


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


def read_completion(body: bytes) -> Completion:
    """Check and read an answer.

    Raises:
        TransientError: the body is no JSON, or holds no answer of a model.
    """
    problem = "no JSON"
    try:
        parsed: Any = orjson.loads(body)
        if isinstance(parsed, dict) and parsed.get("error"):
            problem = "an error with status 200"
        else:
            problem = "no choices[0].message"
            return Completion.model_validate(parsed)
    except (orjson.JSONDecodeError, ValidationError):
        pass
    raise TransientError(f"unusable answer: {problem}")
