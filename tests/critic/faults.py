"""What may go wrong with an answer. A fault changes the draft of an answer before it is sent."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass
class Draft:
    """An answer before it is sent; `raw` replaces the whole body."""

    body: dict[str, Any]
    content: str | None
    authorization: str
    wait: float = 0.0
    cached: int = 0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    finish_reason: str = "stop"
    refusal: str | None = None
    usage: bool = True
    raw: bytes | None = None
    cut: bool = False

    def payload(self) -> bytes | dict[str, Any]:
        """The body, as OpenAI and vLLM shape it."""
        if self.raw is not None:
            return self.raw
        message = {"role": "assistant", "content": self.content, "refusal": self.refusal}
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        answer: dict[str, Any] = {
            "id": "chatcmpl-local",
            "object": "chat.completion",
            "created": 0,
            "model": f"{self.body.get('model')}@local",
            "choices": [choice],
        }
        if self.usage:
            asked = sum(len(str(each.get("content"))) for each in self.body["messages"]) // 4
            said = len(self.content or self.refusal or "") // 4
            answer["usage"] = {
                "prompt_tokens": asked,
                "completion_tokens": said,
                "total_tokens": asked + said,
                "prompt_tokens_details": {"cached_tokens": self.cached},
            }
        return answer


Fault = Callable[[Draft], None]


def failing(status: int, message: str = "on demand", **headers: str) -> Fault:
    """An error of the server; header names are written with `_` for `-`."""

    def fault(draft: Draft) -> None:
        draft.status = status
        draft.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        draft.raw = orjson.dumps({"error": {"message": message, "type": "error", "code": status}})

    return fault


def rate_limited(retry_after: str = "1") -> Fault:
    """429 with a `Retry-After`."""
    return failing(429, "Rate limit reached", retry_after=retry_after)


def hanging(seconds: float = 3600.0) -> Fault:
    """No byte of an answer for so long."""

    def fault(draft: Draft) -> None:
        draft.wait = seconds

    return fault


def saying(content: str | None) -> Fault:
    """Another content of the message."""

    def fault(draft: Draft) -> None:
        draft.content = content

    return fault


def sending(raw: bytes) -> Fault:
    """Another body, with status 200."""

    def fault(draft: Draft) -> None:
        draft.raw = raw

    return fault


def echoing_key(status: int = 401) -> Fault:
    """An error whose text holds the `Authorization` of the request."""
    return lambda draft: failing(status, f"Incorrect key: {draft.authorization}")(draft)


def cut(draft: Draft) -> None:
    """The connection ends in the middle of the body."""
    draft.cut = True


def no_usage(draft: Draft) -> None:
    """An answer without token counts."""
    draft.usage = False


def too_few_steps(draft: Draft) -> None:
    """The last step is missing."""
    answer = orjson.loads(draft.content or "{}")
    answer.pop(max(answer, key=int))
    draft.content = orjson.dumps(answer).decode()


def too_many_steps(draft: Draft) -> None:
    """A step that the run does not have."""
    answer = orjson.loads(draft.content or "{}")
    last = max(answer, key=int)
    draft.content = orjson.dumps({**answer, str(int(last) + 1): answer[last]}).decode()


def truncated(draft: Draft) -> None:
    """The answer ended at the limit of tokens."""
    content = draft.content or ""
    draft.content, draft.finish_reason = content[: len(content) // 2], "length"


def refusing(draft: Draft) -> None:
    """The model refuses."""
    draft.content, draft.refusal = None, "I cannot help with that."


def control_characters(draft: Draft) -> None:
    """Raw control characters inside the strings of the JSON, as weak models write them."""
    draft.content = (draft.content or "").replace('"reason":"', '"reason":"tab\there\x07 ')
