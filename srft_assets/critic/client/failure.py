"""What an answer means that holds no completion."""

from collections.abc import Mapping
from typing import Any

import orjson

from srft_assets.critic.client.errors import CallError, Kind, TransientError
from srft_assets.critic.client.retry_after import asked_pause
from srft_assets.critic.client.secrets import Secrets
from srft_assets.refusal import excerpt_of

LONGEST_PAUSE = 600.0
"""Seconds. A server that asks for more has no quota left for now: the run ends, to go on later."""

AGAIN = frozenset({408, 409, 425, 429})

_LENGTH = ("context length", "context_length", "context window", "maximum model length", "too long")
"""As OpenAI, vLLM, llama.cpp and gateways tell a prompt beyond the model's context."""


def failure_of(status: int, headers: Mapping[str, str], body: bytes, secrets: Secrets) -> CallError:
    """The error to raise. Gateways also send errors with status 200 and the real one in `code`."""
    said, code = _said(body)
    if status == 200 and code >= 400:
        status = code
    told = f"HTTP {status}: {excerpt_of(secrets.scrub(said)).strip() or 'no text'}"
    lower = said.lower()
    if status == 429 and "insufficient_quota" in lower:
        return CallError(Kind.QUOTA, f"the account has no quota left ({told})")
    if status < 300:
        return TransientError(f"no completion in the answer ({told})")
    if status in AGAIN or status >= 500:
        return _later(told, asked_pause(headers))
    if status == 413 or (status in (400, 422) and any(words in lower for words in _LENGTH)):
        return CallError(
            Kind.TOO_LONG,
            f"longer than the model's context: lower context.tokens or read in windows ({told})",
        )
    return CallError(*_settings(status, told, "model" in lower, headers, secrets))


def _later(told: str, pause: float | None) -> CallError:
    if pause is None or pause <= LONGEST_PAUSE:
        return TransientError(told, pause)
    again = f"the server asks to wait {pause:.0f} s; run again then"
    return CallError(Kind.QUOTA, f"{again} ({told})")


def _settings(
    status: int, told: str, names_model: bool, headers: Mapping[str, str], secrets: Secrets
) -> tuple[Kind, str]:
    if status == 401:
        return Kind.AUTH, f"the API key is missing or wrong: see endpoint.api_key_env ({told})"
    if status == 403:
        return Kind.FORBIDDEN, f"the server forbids this call ({told})"
    if status == 404 and names_model:
        return Kind.MODEL, f"the server does not know the model: see `model` ({told})"
    if status in (404, 405):
        return Kind.ENDPOINT, f"no chat API at {secrets.url}: base_url ends in /v1? ({told})"
    if status < 400:
        target = excerpt_of(secrets.scrub(headers.get("location", "")))
        return Kind.ENDPOINT, f"{secrets.url} answers HTTP {status}, a redirect to {target}"
    return Kind.BAD_REQUEST, f"the server refuses the request ({told})"


def _said(body: bytes) -> tuple[str, int]:
    """The server's message, and the status that the body itself states, else 0.

    OpenAI sends `error.message`, older vLLM `message`, FastAPI `detail`, others a bare `error`.
    """
    text = body.decode("utf-8", "replace")
    try:
        parsed: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return text, 0
    error = parsed.get("error") or parsed if isinstance(parsed, dict) else parsed
    if not isinstance(error, dict):
        return str(error), 0
    parts = [error.get(name) for name in ("message", "detail", "code")]
    code = error.get("code")
    said = " ".join(part for part in parts if isinstance(part, str))
    return said or text, code if isinstance(code, int) else 0
