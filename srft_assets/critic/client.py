"""Calls of one OpenAI-compatible endpoint: patient with the server, within a budget."""

import asyncio
import logging
import random
import threading
import time
from dataclasses import replace
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import orjson
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from srft_assets.critic.call import Reply, Request
from srft_assets.critic.completion import Completion, read_completion, reply_to
from srft_assets.critic.failures import (
    BudgetSpentError,
    CallError,
    Kind,
    Secrets,
    TransientError,
    failure_of,
    secrets_of,
)
from srft_assets.critic.prompt.text import tokens_of
from srft_assets.critic.spec import Endpoint

if TYPE_CHECKING:
    import openai

BACKOFF = 0.5
"""Seconds: the n-th retry waits a random time below `BACKOFF * 2**n`, at most `LONGEST_BACKOFF`."""
LONGEST_BACKOFF = 60.0
CONNECT_SECONDS = 30.0
LOCAL = ("localhost", "127.0.0.1", "[::1]")
LOOK_SECONDS = 0.02


class Budget:
    """Calls and tokens, both without limit where None. Threads and event loops may share one.

    A call is reserved before it is sent, with an estimate of its tokens, and settled with what
    it took; a call without an answer costs nothing. The limit of calls is never passed, that of
    tokens by no more than the estimates are too low.
    """

    def __init__(self, max_calls: int | None = None, max_tokens: int | None = None) -> None:
        self.max_calls = max_calls
        self.max_tokens = max_tokens
        self.calls = 0
        self.tokens = 0
        self._open_calls = 0
        self._open_tokens = 0
        self._lock = threading.Lock()

    async def reserve(self, tokens: int) -> None:
        """Take a call out of the budget. While calls under way hold what is left, wait for them.

        Raises:
            BudgetSpentError: nothing is under way that could leave room for this call.
        """
        while not self._taken(tokens):
            await asyncio.sleep(LOOK_SECONDS)

    def settle(self, reserved: int, spent: int | None) -> None:
        """Replace a reservation by what the call took; None where it got no answer."""
        with self._lock:
            self._open_calls -= 1
            self._open_tokens -= reserved
            if spent is not None:
                self.calls += 1
                self.tokens += spent

    def _taken(self, tokens: int) -> bool:
        with self._lock:
            spent = self._spent(tokens)
            if spent and not self._open_calls:
                raise BudgetSpentError(spent)
            if not spent:
                self._open_calls += 1
                self._open_tokens += tokens
            return not spent

    def _spent(self, tokens: int) -> str:
        """Which limit one more call would pass."""
        calls = self.calls + self._open_calls
        if self.max_calls is not None and calls >= self.max_calls:
            return f"budget of {self.max_calls} calls is spent"
        held = self.tokens + self._open_tokens
        if self.max_tokens is not None and held + tokens > self.max_tokens:
            return (
                f"budget of {self.max_tokens} tokens has no room for a call of about {tokens}: "
                f"{self.tokens} are spent"
            )
        return ""


@lru_cache(maxsize=64)
def budget_of(run_id: str, endpoint: Endpoint) -> Budget:
    """The budget that all partitions of a run share for one endpoint, within one process."""
    return Budget(endpoint.max_calls, endpoint.max_tokens)


def estimate(body: dict[str, Any], size: int) -> int:
    """Tokens that a call may take: its JSON of `size` bytes, and the longest answer it allows."""
    longest = body.get("max_completion_tokens") or body.get("max_tokens") or 0
    return tokens_of(size) + int(longest)


class Client:
    """Asks one endpoint, at most `endpoint.concurrency` calls at once. An async context manager.

    While the server wants a pause, no call goes out.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        base_url: str,
        *,
        api_key: str | None = None,
        budget: Budget | None = None,
        backoff: float = BACKOFF,
    ) -> None:
        self.endpoint = endpoint
        self._secrets = secrets_of(base_url, api_key)
        self._budget = budget or Budget()
        self._backoff = backoff
        self._places = asyncio.Semaphore(endpoint.concurrency)
        self._opens = 0.0
        self._sdk: openai.AsyncOpenAI | None = None

    def __repr__(self) -> str:
        return f"Client({self._secrets.url!r})"

    async def __aenter__(self) -> Self:
        self._sdk = _sdk(self._secrets, self.endpoint)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._sdk is not None:
            await self._sdk.close()
            self._sdk = None

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
        began, attempts = time.monotonic(), 0
        backoff = wait_random_exponential(multiplier=self._backoff, max=LONGEST_BACKOFF)

        def wait(state: RetryCallState) -> float:
            error = state.outcome and state.outcome.exception()
            paused = isinstance(error, TransientError) and error.pause is not None
            return 0.0 if paused else backoff(state)  # a pause is that of the whole client

        async def attempt() -> Completion:
            nonlocal attempts
            attempts += 1
            return await self._attempt(request)

        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.endpoint.attempts),
            wait=wait,
            retry=retry_if_exception_type(TransientError),
            reraise=True,
        )
        try:
            completion: Completion = await retrying(attempt)
        except TransientError as error:
            last = error.reason
        else:
            seconds = round(time.monotonic() - began, 3)
            reply = reply_to(request, completion, self._secrets)
            return replace(reply, seconds=seconds, retries=attempts - 1)
        raise CallError(Kind.UNAVAILABLE, f"{attempts} attempts failed, the last with: {last}")

    async def _attempt(self, request: Request) -> Completion:
        while (closed := self._opens - time.monotonic()) > 0:
            await asyncio.sleep(closed * random.uniform(1.0, 1.1))  # so that not all come at once
        answer = await self._post(request.body)
        if isinstance(answer, Completion):
            return answer
        if isinstance(answer, TransientError) and answer.pause:
            self._opens = max(self._opens, time.monotonic() + answer.pause)
        raise answer

    async def _post(self, body: dict[str, Any]) -> Completion | CallError:
        """What the server answers. Failures are handed back, not raised: errors of the SDK hold
        the request with its key, and a raised error would carry them along."""
        import httpx
        import openai

        if self._sdk is None:
            raise RuntimeError("the client is not open: `async with Client(…)`")
        answer: httpx.Response
        url, timeout = self._secrets.chat_url, self.endpoint.timeout
        sent = {"Authorization": self._secrets.authorization or openai.Omit()}
        try:
            async with asyncio.timeout(timeout):
                answer = await self._sdk.post(
                    url, body=body, options={"headers": sent}, cast_to=httpx.Response
                )
        except openai.APIStatusError as error:
            answer = error.response
        except TimeoutError:
            return TransientError(f"no whole answer within {timeout:g} s")
        except openai.APITimeoutError:
            return TransientError(f"{self._secrets.url}: no connection")
        except openai.APIConnectionError as error:
            return self._unreached(error.__cause__ or error)
        status, content = answer.status_code, answer.content
        completion = read_completion(content) if status == 200 else None
        return completion or failure_of(status, answer.headers, content, self._secrets)

    def _unreached(self, error: BaseException) -> CallError:
        text = " ".join(self._secrets.scrub(str(error)).split())
        told = f"{self._secrets.url}: {type(error).__name__}{text and f': {text}'}"
        if "CERTIFICATE_VERIFY_FAILED" in text or type(error).__name__ == "UnsupportedProtocol":
            return CallError(Kind.ENDPOINT, told)
        return TransientError(told)


def _sdk(secrets: Secrets, endpoint: Endpoint) -> "openai.AsyncOpenAI":
    """The SDK, without retries of its own. A server on this machine is asked without a proxy."""
    import httpx
    import openai

    for name in ("openai", "httpx", "httpcore"):  # their lines hold URLs and headers with keys
        logging.getLogger(name).setLevel(logging.WARNING)
    connecting = min(CONNECT_SECONDS, endpoint.timeout)
    return openai.AsyncOpenAI(
        api_key="see _post",
        base_url=secrets.url,
        max_retries=0,
        default_headers={"User-Agent": "srft"},
        http_client=httpx.AsyncClient(
            timeout=httpx.Timeout(endpoint.timeout, connect=connecting, pool=None),
            limits=httpx.Limits(max_connections=endpoint.concurrency),
            mounts={f"all://{host}": None for host in LOCAL},
            follow_redirects=False,
        ),
    )
