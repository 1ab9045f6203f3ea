"""Many calls: as many at once as the endpoint takes, as few in memory."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable

from srft_assets.critic.call import Reply, Request
from srft_assets.critic.client.client import Client
from srft_assets.critic.client.errors import HOPELESS, BudgetSpentError, CallError, Kind

FEWEST_IN_A_ROW = 8

Outcome = Reply | CallError


async def ask_all(
    client: Client,
    requests: Iterable[Request] | AsyncIterable[Request],
    critic: str,
    total: int | None = None,
) -> AsyncGenerator[tuple[Request, Outcome], None]:
    """Ask each request once and yield what came, in the order in which it came.

    Requests are taken as places get free, so the source may be a generator that renders prompts.
    Close it (`contextlib.aclosing`) when you leave early: calls under way are cancelled then.
    `total` is only told in errors.

    Raises:
        CallError: every further call would fail too: a wrong key or model, or as many failures
            in a row as calls run at once. What was answered before is yielded first.
        BudgetSpentError: likewise, when the budget is spent.
    """
    calls = _Calls(client, _stream(requests), critic)
    calls.start()
    try:
        while (came := await calls.came.get()) is not None:
            yield came
        await calls.ended
    finally:
        await calls.cancel()
    if isinstance(calls.end, BudgetSpentError):
        left = "" if total is None else f", {total - calls.answered} left"
        raise BudgetSpentError(f"{calls.end}: {calls.answered} answered{left}; run again to go on")
    if calls.end is not None:
        raise calls.end


class _Calls:
    """Workers that share one source, and the reason why they end early."""

    def __init__(self, client: Client, source: AsyncGenerator[Request, None], critic: str) -> None:
        self.client = client
        self.source = source
        self.critic = critic
        self.answered = 0
        self.failed_in_a_row = 0
        self.end: CallError | BudgetSpentError | None = None
        self.turn = asyncio.Lock()
        self.came: asyncio.Queue[tuple[Request, Outcome] | None] = asyncio.Queue(self.at_once)

    @property
    def at_once(self) -> int:
        """Calls under way at most; as many answers may wait for whoever reads them."""
        return self.client.endpoint.concurrency

    def start(self) -> None:
        """Let the workers begin. `came` gets what they bring, and None after the last."""
        self.workers = [asyncio.create_task(self._work()) for _ in range(self.at_once)]
        self.ended = asyncio.create_task(self._end())

    async def cancel(self) -> None:
        """End what is under way."""
        tasks = [*self.workers, self.ended]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.source.aclose()

    async def _end(self) -> None:
        try:
            await asyncio.gather(*self.workers)
        finally:
            await self.came.put(None)

    async def _work(self) -> None:
        while self.end is None:
            async with self.turn:
                request = await anext(self.source, None) if self.end is None else None
            if request is None:
                return
            outcome = await self._ask(request)
            if outcome is not None:
                await self.came.put((request, outcome))

    async def _ask(self, request: Request) -> Outcome | None:
        try:
            reply = await self.client.ask(request, self.critic)
        except BudgetSpentError as error:
            self.end = self.end or error
            return None
        except CallError as error:
            self._count(error)
            return error
        self.answered += 1
        self.failed_in_a_row = 0
        return reply

    def _count(self, error: CallError) -> None:
        """End the run where the fault lies with the endpoint and not with one request."""
        self.failed_in_a_row += error.kind is not Kind.TOO_LONG
        most = max(FEWEST_IN_A_ROW, self.at_once)
        if error.kind in HOPELESS:
            self.end = self.end or error
        elif self.failed_in_a_row >= most:
            told = f"{most} calls in a row failed, the last: {error.reason}"
            self.end = self.end or CallError(error.kind, told)


async def _stream(
    requests: Iterable[Request] | AsyncIterable[Request],
) -> AsyncGenerator[Request, None]:
    if isinstance(requests, AsyncIterable):
        async for request in requests:
            yield request
    else:
        for request in requests:
            yield request
