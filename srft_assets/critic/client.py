"""Calls of one OpenAI-compatible endpoint: patient with the server, within a budget."""

import asyncio
import hashlib
import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self, TypeVar

import orjson
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from srft_assets.critic.budget import Budget, Budgets
from srft_assets.critic.calls import Reply, Request, parsed, reply_of
from srft_assets.critic.failures import (
    LONGEST_MESSAGE,
    CallError,
    Kind,
    TransientError,
    failure_of,
    said_in,
    secrets_of,
)
from srft_assets.critic.prompt.text import tokens_of
from srft_assets.critic.spec import Endpoint

if TYPE_CHECKING:
    import httpx
    import openai

T = TypeVar("T")

BACKOFF = 0.5
"""Seconds: the n-th retry waits a random time below `BACKOFF * 2**n`, at most `LONGEST_BACKOFF`."""
LONGEST_BACKOFF = 60.0
CONNECT_SECONDS = 30.0
LOCAL = ("localhost", "127.0.0.1", "[::1]")
IDEMPOTENCY = "Idempotency-Key"
RENAMED = {"max_tokens": "max_completion_tokens"}
"""Keys with another name: OpenAI's reasoning models know `max_completion_tokens` only."""
OPTIONAL = ("top_p", "seed", "temperature", "response_format")
"""Keys that may be left out, the least important first: one goes where two exclude each other."""
REFUSING = re.compile(
    r"not support|unsupported|unavailable|not permitted|not allowed|forbidden|cannot both|unknown"
    r"|unrecogni[sz]ed|unexpected|deprecated",
    re.IGNORECASE,
)


class Parameters:
    """The keys that one model at one endpoint takes; all its calls of a process share them.

    Attributes:
        changed: key → the name under which it is sent; None: left out.
    """

    def __init__(self) -> None:
        self.changed: dict[str, str | None] = {}

    def adapted(self, body: Mapping[str, Any], stated: Mapping[str, str | None]) -> dict[str, Any]:
        """The body to send: `stated` by the critic's YAML, and what was learned."""
        names = {**self.changed, **stated}
        renamed = ((names.get(key, key), value) for key, value in body.items())
        return {key: value for key, value in renamed if key is not None}

    def learn(self, said: str, sent: Container[str] = (*RENAMED, *OPTIONAL)) -> bool:
        """Take a refusal that names a key of what was sent which can be renamed or left out, and
        say whether it is one.

        A schema that a server does not take may be one run's own, and says nothing of the others.
        """
        schema = re.search(r"\bschema\b", said)
        if len(said) >= LONGEST_MESSAGE or schema or not REFUSING.search(said):
            return False
        named = (key for key in (*RENAMED, *OPTIONAL) if re.search(rf"\b{key}\b", said))
        for key in named:
            if key in sent:
                self.changed[key] = RENAMED.get(key)
                return True
        return False

    def told(self) -> str:
        """What was learned, for people; empty where nothing was."""
        return ", ".join(
            f"{key} is sent as {name}" if name else f"{key} is left out"
            for key, name in self.changed.items()
        )


@lru_cache(maxsize=64)
def parameters_of(url: str, model: str) -> Parameters:
    """What this process learned of a model at an endpoint."""
    return Parameters()


def estimate(body: dict[str, Any], size: int) -> int:
    """Tokens that a call may take: its JSON of `size` bytes, and the longest answer it allows."""
    longest = body.get("max_completion_tokens") or body.get("max_tokens") or 0
    return tokens_of(size) + int(longest)


class Client:
    """Asks one endpoint, at most `endpoint.concurrency` calls at once. An async context manager.

    While the server wants a pause, no call goes out. Raises CallError for a URL that is none, and
    for a key that no header can carry.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        base_url: str,
        *,
        api_key: str | None = None,
        budget: Budget | Budgets | None = None,
        backoff: float = BACKOFF,
    ) -> None:
        self.endpoint = endpoint
        self.secrets = secrets_of(base_url, api_key)
        self._budget = budget or Budget()
        self._backoff = wait_random_exponential(multiplier=backoff, max=LONGEST_BACKOFF)
        self._places = asyncio.Semaphore(endpoint.concurrency)
        self._opens = 0.0
        self.sdk = _sdk(self.secrets.url, endpoint)

    def __repr__(self) -> str:
        return f"Client({self.secrets.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sdk.close()

    async def ask(self, request: Request) -> Reply:
        """The reply to one request, after as many attempts as the endpoint allows.

        Raises:
            CallError: there is no answer, and why.
            BudgetSpentError: the budget allows no further call; nothing was sent.
        """
        tokens = estimate(request.body, len(orjson.dumps(request.body)))
        await self._budget.reserve(tokens)
        spent = None
        try:
            async with self._places:
                reply = await self._patiently(request)
            spent = reply.prompt_tokens + reply.completion_tokens or tokens
        finally:
            self._budget.settle(tokens, spent)
        return reply

    async def _patiently(self, request: Request) -> Reply:
        began = time.monotonic()
        answer, attempts = await self.patiently(lambda number: self._post(request.body, number))
        reply = self.reply(request.key, answer, str(request.body.get("model", "")))
        seconds = round(time.monotonic() - began, 3)
        return replace(reply, about=request.about, seconds=seconds, retries=attempts - 1)

    def reply(self, key: str, answer: Reply, model: str) -> Reply:
        """An answer that came now, to the request with this key, without any secret; `model` was
        asked for."""
        scrub = self.secrets.scrub_answer
        return replace(
            answer,
            key=key,
            content=scrub(answer.content),
            refusal=scrub(answer.refusal),
            model=scrub(answer.model) or model,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )

    async def patiently(self, attempt: Callable[[int], Awaitable[T | CallError]]) -> tuple[T, int]:
        """What an attempt, told its number, hands back; and how many that took.

        Raises CallError where none of as many as the endpoint allows went well.
        """
        attempts = 0
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.endpoint.attempts),
            wait=self._backoff,  # a pause that the server asked for goes on meanwhile
            retry=retry_if_exception_type(TransientError),
            reraise=True,
        )
        try:
            async for one in retrying:
                attempts += 1
                with one:
                    answer = await self._attempt(attempt, attempts)
        except TransientError as error:
            told = f"{attempts} attempts failed, the last with: {error.reason}"
            raise CallError(Kind.UNAVAILABLE, told) from None
        return answer, attempts

    async def _attempt(self, attempt: Callable[[int], Awaitable[T | CallError]], number: int) -> T:
        while (closed := self._opens - time.monotonic()) > 0:
            await asyncio.sleep(closed * random.uniform(1.0, 1.1))  # so that not all come at once
        answer = await attempt(number)
        if not isinstance(answer, CallError):
            return answer
        if isinstance(answer, TransientError) and answer.pause:
            self._opens = max(self._opens, time.monotonic() + answer.pause)
        raise answer

    async def _post(self, body: dict[str, Any], number: int) -> Reply | CallError:
        """What the server answers.

        The idempotency key is that of the same attempt in another process: a provider that knows
        such keys does not charge again for a call that was under way when we were killed.
        """
        import httpx

        sent_body = self.parameters_of(body).adapted(body, self.endpoint.parameters)
        known = hashlib.sha256(orjson.dumps(sent_body)).hexdigest()[:32]
        sent = {"Authorization": self.authorization, IDEMPOTENCY: f"{known}-{number}"}
        answer = await self.heard(
            self.sdk.post(
                self.secrets.chat_url,
                body=sent_body,
                options={"headers": sent},
                cast_to=httpx.Response,
            )
        )
        if isinstance(answer, CallError):
            return answer
        reply = reply_of(parsed(answer.content)) if answer.status_code == 200 else None
        if reply is not None:
            return reply
        failure = failure_of(answer.status_code, answer.headers, answer.content, self.secrets)
        if failure.kind is Kind.BAD_REQUEST:
            learned = self.parameters_of(body)
            learned.learn(said_in(answer.content)[0], sent_body)
            if learned.adapted(body, self.endpoint.parameters) != sent_body:
                return await self._post(body, number)
        return failure

    @property
    def authorization(self) -> "str | openai.Omit":
        import openai

        return self.secrets.authorization or openai.Omit()

    async def heard(self, call: Awaitable[T]) -> "T | httpx.Response | CallError":
        """What a call of the SDK comes to: its result, a response that is an error, or no response.

        Failures are handed back, not raised: errors of the SDK hold the request with its key, and a
        raised error would carry them along.
        """
        import openai

        timeout = self.endpoint.timeout
        try:
            async with asyncio.timeout(timeout):
                return await call
        except openai.APIStatusError as error:
            return error.response
        except TimeoutError:
            return TransientError(f"no whole answer within {timeout:g} s")
        except openai.APITimeoutError:
            return TransientError(f"{self.secrets.url}: no connection")
        except openai.APIConnectionError as error:
            return self._unreached(error.__cause__ or error)

    def parameters_of(self, body: Mapping[str, Any]) -> Parameters:
        """What is known of the keys that the model takes."""
        return parameters_of(self.secrets.url, str(body.get("model")))

    def _unreached(self, error: BaseException) -> CallError:
        text = " ".join(self.secrets.scrub(str(error)).split())
        told = f"{self.secrets.url}: {type(error).__name__}{text and f': {text}'}"
        if "CERTIFICATE_VERIFY_FAILED" in text or type(error).__name__ == "UnsupportedProtocol":
            return CallError(Kind.ENDPOINT, told)
        return TransientError(told)


def _sdk(url: str, endpoint: Endpoint) -> "openai.AsyncOpenAI":
    """The SDK, without retries of its own. A server on this machine is asked without a proxy."""
    import httpx
    import openai

    for name in ("openai", "httpx", "httpcore"):  # their lines hold URLs and headers with keys
        logging.getLogger(name).setLevel(logging.WARNING)
    connecting = min(CONNECT_SECONDS, endpoint.timeout)
    return openai.AsyncOpenAI(
        api_key="see _post",
        base_url=url,
        max_retries=0,
        default_headers={"User-Agent": "srft"},
        http_client=httpx.AsyncClient(
            timeout=httpx.Timeout(endpoint.timeout, connect=connecting, pool=None),
            limits=httpx.Limits(max_connections=endpoint.concurrency),
            mounts={f"all://{host}": None for host in LOCAL},
            follow_redirects=False,
        ),
    )
