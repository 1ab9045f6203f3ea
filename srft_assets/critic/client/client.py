"""Calls of one endpoint: patient with the server, within the budget."""

import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

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
from srft_assets.critic.client.reply import Completion, read_completion, reply_to
from srft_assets.critic.client.secrets import secrets_of
from srft_assets.critic.client.wire import Wire
from srft_assets.critic.spec import Endpoint

BACKOFF = 0.5
"""Seconds: the n-th retry waits a random time below `BACKOFF * 2**n`, at most `LONGEST_BACKOFF`."""
LONGEST_BACKOFF = 60.0
TOO_MANY = frozenset({429, 503, 529})


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
        self._wire: Wire | None = None

    def __repr__(self) -> str:
        return f"Client({self._secrets.url!r})"

    async def __aenter__(self) -> Self:
        self._wire = Wire(self._secrets, self.endpoint)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._wire is not None:
            await self._wire.close()
            self._wire = None

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
            seconds = round(time.monotonic() - began, 3)
            reply = reply_to(request, completion, self._secrets)
            reply = replace(reply, seconds=seconds, retries=attempts - 1, critic=critic)
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
        if self._wire is None:
            raise RuntimeError("the client is not open: `async with Client(…)`")
        async with self._gate.passed() as entered:
            answer = await self._wire.post(data)
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
