"""One call of a critic: what is asked, and what came back."""

from dataclasses import dataclass
from typing import Any

from srft_assets.warehouse.recipe import digest


@dataclass(frozen=True, slots=True)
class Request:
    """One request to `POST <base_url>/chat/completions`.

    Attributes:
        body: the exact JSON body: model, messages, sampling, schema. No key, no URL.
        steps: step indexes that the answer must label, each once.
        about: trajectory_id of the run, for people who read the ledger.
    """

    body: dict[str, Any]
    steps: range
    about: str = ""

    @property
    def key(self) -> str:
        """64 hex digits over the body: the key of the ledger."""
        return digest(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answered call, as the ledger keeps it.

    Attributes:
        key: of the request.
        content: text of the answer; None where there is none.
        refusal: the model's refusal in the field of that name; None where it did not refuse.
        finish_reason: as the server states it: `stop`, `length`, `content_filter`, …
        model: as the server names itself in the answer.
        prompt_tokens, completion_tokens, cached_tokens: as the server counts; 0 where it does not.
        seconds: from the first attempt to the answer.
        retries: attempts before the one that was answered.
        at: ISO 8601, UTC, when the answer came.
        critic: who asked.
        about: trajectory_id of the run.
    """

    key: str
    content: str | None
    refusal: str | None
    finish_reason: str | None
    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    retries: int = 0
    at: str = ""
    critic: str = ""
    about: str = ""
