"""Calls of one endpoint.

aiohttp rather than the openai SDK: 0.2 ms of CPU a call with prompts of 100 KB against 1.9 ms
(httpx: 1.0 ms), and it never reads a proxy from the environment for a server on this machine.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import orjson
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from srft_assets.critic.call import Reply, Request
from srft_assets.critic.client.budget import Budget, estimate
from srft_assets.critic.client.errors import CallError, Kind, TransientError
from srft_assets.critic.client.failure import failure_of
from srft_assets.critic.client.gate import Gate
from srft_assets.critic.client.reply import Completion, read_completion
from srft_assets.critic.client.secrets import Secrets, secrets_of
from srft_assets.critic.spec import Endpoint

if TYPE_CHECKING:
    import aiohttp

BACKOFF = 0.5
"""Seconds: the n-th retry waits a random time below `BACKOFF * 2**n`, at most `LONGEST_BACKOFF`."""
LONGEST_BACKOFF = 60.0
CONNECT_SECONDS = 30.0
TOO_MANY = frozenset({429, 503, 529})
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What one attempt brought."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Asks one endpoint, at most `endpoint.concurrency` calls at once. An async context manager.

    `on_reply` gets every reply before anyone else and before anything else can be cancelled:
    there it is written to the ledger.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        base_url: str,
        *,
        api_key: str | None = None,
        on_reply: Callable[[Request, Reply], None],
        budget: Budget | None = None,
        backoff: float = BACKOFF,
    ) -> None:
        self.endpoint = endpoint
        self._secrets = secrets_of(base_url, api_key)
        self._on_reply = on_reply
        self._budget = budget or Budget()
        self._backoff = backoff
        self._gate = Gate(endpoint.concurrency)
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"Client({self._secrets.url!r})"

    async def __aenter__(self) -> Self:
        self._session = _session(self._secrets, self.endpoint)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(self, request: Request, critic: str) -> Reply:
        """The reply to one request, after as many attempts as the endpoint allows.

        Raises:
            CallError: there is no answer, and why.
            BudgetSpentError: the budget allows no further call; nothing was sent.
        """
        data = orjson.dumps(request.body)
        tokens = estimate(request.body, len(data))
        await self._budget.reserve(tokens)
        spent = None
        try:
            reply = await self._patiently(request, data, critic)
            spent = reply.prompt_tokens + reply.completion_tokens or tokens
        finally:
            self._budget.settle(tokens, spent)
        return reply

    async def _patiently(self, request: Request, data: bytes, critic: str) -> Reply:
        began, attempts = time.monotonic(), 0

        async def attempt() -> Reply:
            nonlocal attempts
            attempts += 1
            completion = await self._attempt(data)
            seconds = time.monotonic() - began
            reply = self._reply(request, completion, critic, seconds, attempts - 1)
            self._on_reply(request, reply)
            return reply

        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.endpoint.attempts),
            wait=wait_random_exponential(multiplier=self._backoff, max=LONGEST_BACKOFF),
            retry=retry_if_exception_type(TransientError),
            reraise=True,
        )
        try:
            return await retrying(attempt)
        except TransientError as error:
            last = error.reason
        raise CallError(Kind.UNAVAILABLE, f"{attempts} attempts failed, the last with: {last}")

    async def _attempt(self, data: bytes) -> Completion:
        """One attempt, when a place is free and the server wants any."""
        async with self._gate.passed() as entered:
            answer = await self._post(data)
        if isinstance(answer, CallError):
            raise answer
        completion = read_completion(answer.body) if answer.status == 200 else None
        if completion is not None:
            self._gate.answered()
            return completion
        failure = failure_of(answer.status, answer.headers, answer.body, self._secrets)
        if answer.status in TOO_MANY:
            self._gate.refused(entered)
        if isinstance(failure, TransientError) and failure.pause:
            self._gate.hold(failure.pause)
        raise failure

    async def _post(self, data: bytes) -> Answer | CallError:
        """What the server answers. Failures are handed back, not raised: errors of the HTTP
        library hold the request with its key, and a raised error would carry them along."""
        import aiohttp

        if self._session is None:
            raise RuntimeError("the client is not open: `async with Client(…)`")
        try:
            async with self._session.post(
                self._secrets.chat_url, data=data, allow_redirects=False
            ) as response:
                return Answer(response.status, response.headers, await response.read())
        except aiohttp.ConnectionTimeoutError:
            return TransientError(f"{self._secrets.url}: no connection")
        except TimeoutError:
            return TransientError(f"no whole answer within {self.endpoint.timeout:g} s")
        except (aiohttp.InvalidURL, aiohttp.ClientConnectorCertificateError) as error:
            return CallError(Kind.ENDPOINT, f"{self._secrets.url}: {self._told(error)}")
        except (aiohttp.ClientError, OSError) as error:
            return TransientError(f"{self._secrets.url}: {self._told(error)}")

    def _told(self, error: Exception) -> str:
        import aiohttp

        if isinstance(error, aiohttp.ClientResponseError):
            return f"{type(error).__name__}, HTTP {error.status}"
        text = " ".join(self._secrets.scrub(str(error)).split())
        return f"{type(error).__name__}: {text}" if text else type(error).__name__

    def _reply(
        self, request: Request, completion: Completion, critic: str, seconds: float, retries: int
    ) -> Reply:
        choice, usage, scrub = completion.choices[0], completion.usage, self._secrets.scrub_answer
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
            seconds=round(seconds, 3),
            retries=retries,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            critic=critic,
            about=request.about,
        )


def _session(secrets: Secrets, endpoint: Endpoint) -> "aiohttp.ClientSession":
    import aiohttp

    headers = {"Content-Type": "application/json", "User-Agent": "srft"}
    if secrets.authorization:
        headers["Authorization"] = secrets.authorization
    connecting = min(CONNECT_SECONDS, endpoint.timeout)
    return aiohttp.ClientSession(
        headers=headers,
        connector=aiohttp.TCPConnector(limit=endpoint.concurrency),
        timeout=aiohttp.ClientTimeout(total=endpoint.timeout, sock_connect=connecting),
        proxy=proxy_of(secrets.chat_url),
    )


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for a URL, never one for this machine.

    Not aiohttp's `trust_env`: it also reads `.netrc`, which collides with the key.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    return None if host in LOCAL or proxy_bypass(host) else getproxies().get(parts.scheme)
