"""Why a call has no answer: what servers send instead of one, told without any secret."""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

import orjson

from srft_assets.errors import SrftError, WaitingError, excerpt_of
from srft_assets.text import HIDDEN, hide_in_urls

LONGEST_PAUSE = 600.0
"""Seconds. A server that asks for more has no quota left for now: the run ends, to go on later."""

AGAIN = frozenset({408, 409, 425, 429})

LONGEST_MESSAGE = 1000
"""Characters. A longer message may hold the prompt, whose words say nothing of the account, the
settings or the parameters."""

SHORTEST = 6
"""Shorter keys, such as `EMPTY` for local servers, are words and no secrets."""

LENGTH = re.compile(
    r"context[ _](length|window|size)|maximum model length|too long|input tokens exceed"
    r"|exceeds the maximum number of tokens|max_tokens must be at least 1, got -",
    re.IGNORECASE,
)
"""As OpenAI, Anthropic, Gemini, vLLM, llama.cpp and gateways tell a prompt beyond the context."""
_CREDIT = re.compile(
    r"insufficient[ _](credit|balance|quota|funds)|credit balance|more credits"
    r"|billing[ _]hard[ _]limit|billing[ _]not[ _]active|account is not active",
    re.IGNORECASE,
)
_RATE = re.compile(r"rate[ _]limit|per minute", re.IGNORECASE)
_MODERATED = re.compile(
    r"moderation|flagged|content[ _](management policy|filter|policy)|safety", re.IGNORECASE
)
_TELLING = re.compile(r"key|token|secret|sig|password", re.IGNORECASE)


class Kind(StrEnum):
    """What has to be mended: the request, the account, the settings, or nothing but time.

    `bad_request` does not say which: it is the request's own fault only where the server answered
    others of its kind.
    """

    BAD_REQUEST = "bad_request"
    TOO_LONG = "too_long"
    FORBIDDEN = "forbidden"
    AUTH = "auth"
    MODEL = "model"
    ENDPOINT = "endpoint"
    QUOTA = "quota"
    UNAVAILABLE = "unavailable"


HOPELESS = frozenset({Kind.AUTH, Kind.MODEL, Kind.ENDPOINT, Kind.QUOTA})
"""What one call meets, every other call meets too: nothing more is asked."""

ITS_OWN = frozenset({Kind.TOO_LONG, Kind.FORBIDDEN})
"""Failures that lie in one request: its steps stay unlabeled, and asking again would not help."""


class CallError(SrftError):
    """A call that got no answer; `reason` is one line for people."""

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


class TransientError(CallError):
    """An attempt that may go better the next time, after `pause` seconds if the server says so."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(Kind.UNAVAILABLE, reason)
        self.pause = pause


SPENT = "are spent"
"""Words of every reason that a budget gives; alerts know it by them."""
GO_ON = "run again to go on"


class BudgetSpentError(WaitingError):
    """No further call is allowed; what was answered is kept, and `then` says how it goes on."""

    def __init__(self, reason: str, then: str = GO_ON) -> None:
        super().__init__(reason)
        self.then = then


@dataclass(frozen=True, repr=False)
class Secrets:
    """What authorizes the calls of one client, and how to keep it out of any text.

    Attributes:
        url: of the API, to show: without user, password and query.
        chat_url: where calls go; gateways may want a query.
        authorization: the header, if any.
        query: of the URL, for calls of the SDK, which takes it apart from the URL.
        words: what must not be seen.
        values: user and query values: hidden too in what servers say, but not in answers, where
            they may be words like others.
    """

    url: str
    chat_url: str
    authorization: str | None
    words: tuple[str, ...]
    values: tuple[str, ...] = ()
    query: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Secrets({self.url!r})"

    def scrub(self, text: str) -> str:
        """The text without keys, and without user and query of any URL."""
        text = self.scrub_answer(text) or ""
        for value in self.values:
            text = text.replace(value, HIDDEN)
        return hide_in_urls(text)

    def scrub_answer(self, text: str | None) -> str | None:
        """The model's own text without keys; URLs stay as they are."""
        for word in self.words if text else ():
            text = text.replace(word, HIDDEN) if text else text
        return text


def secrets_of(base_url: str, api_key: str | None) -> Secrets:
    """Split what is secret from the URL. `user:password@` serves where there is no key.

    Raises:
        CallError: the URL is none, or the key cannot be sent in a header.
    """
    import httpx

    key = (api_key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise CallError(Kind.AUTH, "the API key holds characters that no HTTP header can carry")
    try:
        parts = urlsplit(base_url.strip())
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        httpx.URL(parts.geturl())
    except (ValueError, httpx.InvalidURL):
        valid = False
    if not valid:
        raise CallError(Kind.ENDPOINT, f"base_url {hide_in_urls(base_url)!r} is no http(s) URL")
    user_info, _, host = parts.netloc.rpartition("@")
    path = parts.path.rstrip("/")
    pair = base64.b64encode(unquote(user_info).encode()).decode() if user_info else ""
    password = user_info.partition(":")[2]
    queried = parse_qsl(parts.query)
    telling = [value for name, value in queried if _TELLING.search(name)]
    words = {key, quote(key, safe=""), pair, password, unquote(password), *telling}
    user = user_info.partition(":")[0]
    values = {user, unquote(user), *(value for _, value in queried)} - words
    return Secrets(
        url=urlunsplit((parts.scheme, host, path, "", "")),
        chat_url=urlunsplit((parts.scheme, host, f"{path}/chat/completions", parts.query, "")),
        authorization=f"Bearer {key}" if key else f"Basic {pair}" if pair else None,
        words=_longest_first(words),
        values=_longest_first(values),
        query=dict(queried),
    )


def _longest_first(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted((w for w in words if len(w) >= SHORTEST), key=len, reverse=True))


def failure_of(status: int, headers: Mapping[str, str], body: bytes, secrets: Secrets) -> CallError:
    """What an answer without a completion means.

    Gateways also send errors with status 200 and the real one in `code`.
    """
    said, code = said_in(body)
    if status == 200 and code >= 400:
        status = code
    told = f"HTTP {status}: {excerpt_of(secrets.scrub(said)).strip() or 'no text'}"
    brief = said if len(said) < LONGEST_MESSAGE else ""
    credit = _CREDIT.search(brief) and status in (400, 403, 429)
    if status == 402 or credit:
        return CallError(Kind.QUOTA, f"the account has no credit or quota left ({told})")
    if status < 300:
        shape = "" if body.lstrip()[:1] in (b"{", b"[") else ", nor JSON: base_url ends in /v1?"
        return TransientError(f"no completion in the answer{shape} ({told})")
    rate = status == 413 and _RATE.search(said)
    if not rate and (status == 413 or (status in (400, 422, 500) and LENGTH.search(said))):
        return CallError(
            Kind.TOO_LONG,
            f"longer than the model's context: lower context.tokens or read in windows ({told})",
        )
    if rate or status in AGAIN or status >= 500:
        return _later(told, asked_pause(headers))
    return CallError(*_settings(status, brief, told, headers, secrets))


def _later(told: str, pause: float | None) -> CallError:
    if pause is None or pause <= LONGEST_PAUSE:
        return TransientError(told, pause)
    again = f"the server asks to wait {pause:.0f} s; run again then"
    return CallError(Kind.QUOTA, f"{again} ({told})")


def _settings(
    status: int, brief: str, told: str, headers: Mapping[str, str], secrets: Secrets
) -> tuple[Kind, str]:
    if status in (400, 403, 422) and _MODERATED.search(brief):
        return Kind.FORBIDDEN, f"the server forbids this call ({told})"
    if status in (401, 403):
        return Kind.AUTH, (
            f"the API key is missing, wrong or may not use this: see endpoint.api_key_env ({told})"
        )
    if status == 404 and "model" in brief.lower():
        return Kind.MODEL, f"the server does not know the model: see `model` ({told})"
    if status in (404, 405):
        return Kind.ENDPOINT, f"no chat API at {secrets.url}: base_url ends in /v1? ({told})"
    if status < 400:
        target = excerpt_of(secrets.scrub(headers.get("location", "")))
        return Kind.ENDPOINT, f"{secrets.url} answers HTTP {status}, a redirect to {target}"
    if re.search(r"\bschema\b", brief):
        return Kind.BAD_REQUEST, (
            f"the server refuses the schema of answers: see answer_format, or read in windows "
            f"({told})"
        )
    return Kind.BAD_REQUEST, f"the server refuses the request ({told})"


def said_in(body: bytes) -> tuple[str, int]:
    """The server's message, and the status that the body itself states, else 0.

    OpenAI sends `error.message`, older vLLM `message`, FastAPI `detail`, others a bare `error`;
    Gemini a list of one, and OpenRouter an error within a choice.
    """
    text = body.decode("utf-8", "replace")
    try:
        parsed: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return text, 0
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    if isinstance(parsed, dict) and isinstance(parsed.get("choices"), list):
        parsed = next((one for one in parsed["choices"] if isinstance(one, dict)), parsed)
    error = parsed.get("error") or parsed if isinstance(parsed, dict) else parsed
    if not isinstance(error, dict):
        return str(error), 0
    parts = [error.get(name) for name in ("message", "detail", "code")]
    code = error.get("code")
    said = " ".join(part for part in parts if isinstance(part, str))
    return said or text, code if isinstance(code, int) else 0


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds that `retry-after-ms` or `Retry-After` (seconds or an HTTP date) ask for."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        try:
            seconds = float(value) * unit
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        when = parsedate_to_datetime(headers.get("retry-after", ""))
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max(0.0, (when - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None
