"""Many calls: as many at once as the endpoint takes, as few in memory."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable

from srft_assets.critic.call import Reply, Request
from srft_assets.critic.client.client import Client
from srft_assets.critic.client.errors import HOPELESS, BudgetSpentError, CallError, Kind

FEWEST_IN_A_ROW = 8

GRACE_SECONDS = 0.2
"""After a cancellation: answers that are on their way through this process are still taken."""

Outcome = Reply | CallError


async def ask_all(
    client: Client,
    requests: Iterable[Request] | AsyncIterable[Request],
    critic: str,
    total: int | None = None,
) -> AsyncGenerator[tuple[Request, Outcome], None]:
    """Ask each request once and yield what came, in the order in which it came.

    Requests are taken as places get free, so the source may be a generator that renders prompts,
    or one that waits for answers to ask further. Close this one (`contextlib.aclosing`) when you
    leave early: calls under way are cancelled then. `total` is only told in errors.

    Raises:
        CallError: every further call would fail too: a wrong key or model, or as many failures
            in a row as calls run at once. No request is taken any more, and what was under way
            is yielded first.
        BudgetSpentError: likewise, when the budget is spent.
    """
    calls = _Calls(client, _stream(requests), critic)
    try:
        while (came := await calls.came.get()) is not None:
            yield came
    finally:
        await calls.cancel()
    if isinstance(calls.end, BudgetSpentError):
        left = "" if total is None else f", {total - calls.answered} left"
        raise BudgetSpentError(f"{calls.end}: {calls.answered} answered{left}; run again to go on")
    if calls.end is not None:
        raise calls.end


class _Calls:
    """One task that takes requests, one for each call, and the reason why they end early."""

    def __init__(self, client: Client, source: AsyncGenerator[Request, None], critic: str) -> None:
        self.client = client
        self.source = source
        self.critic = critic
        self.at_once = client.endpoint.concurrency
        self.answered = 0
        self.failed_in_a_row = 0
        self.end: BaseException | None = None
        self.came: asyncio.Queue[tuple[Request, Outcome] | None] = asyncio.Queue(self.at_once)
        self.places = asyncio.Semaphore(self.at_once)
        self.under_way: set[asyncio.Task[None]] = set()
        self.taking = asyncio.create_task(self._take())
        self.ending = asyncio.create_task(self._end())

    async def cancel(self) -> None:
        """End what is under way, but for answers that are here already."""
        self.taking.cancel()
        if self.under_way:
            await asyncio.wait(self.under_way, timeout=GRACE_SECONDS)
        tasks = [self.taking, self.ending, *self.under_way]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.source.aclose()

    async def _take(self) -> None:
        """Take a request whenever a place is free. A place is free when its answer was read."""
        await self.places.acquire()
        async for request in self.source:
            call = asyncio.create_task(self._call(request))
            self.under_way.add(call)
            call.add_done_callback(self._called)
            await self.places.acquire()

    async def _call(self, request: Request) -> None:
        outcome = await self._ask(request)
        if outcome is not None:
            await self.came.put((request, outcome))

    def _called(self, call: asyncio.Task[None]) -> None:
        self.under_way.discard(call)
        self.places.release()
        error = None if call.cancelled() else call.exception()
        if error is not None:
            self._stop(error)
            for other in self.under_way:
                other.cancel()

    async def _end(self) -> None:
        """Put None into `came` when nothing more comes."""
        await asyncio.wait({self.taking})
        if not self.taking.cancelled() and (error := self.taking.exception()):
            self._stop(error)
        while self.under_way:
            await asyncio.wait(self.under_way)
        await self.came.put(None)

    def _stop(self, why: BaseException) -> None:
        """Take no further request; the first reason counts."""
        self.end = self.end or why
        self.taking.cancel()

    async def _ask(self, request: Request) -> Outcome | None:
        try:
            reply = await self.client.ask(request, self.critic)
        except BudgetSpentError as error:
            self._stop(error)
            return None
        except CallError as error:
            self._count(error)
            return error
        self.answered += 1
        self.failed_in_a_row = 0
        return reply

    def _count(self, error: CallError) -> None:
        """End everything where the fault lies with the endpoint and not with one request."""
        self.failed_in_a_row += error.kind is not Kind.TOO_LONG
        most = max(FEWEST_IN_A_ROW, self.at_once)
        if error.kind in HOPELESS:
            self._stop(error)
        elif self.failed_in_a_row >= most:
            told = f"{most} calls in a row failed, the last: {error.reason}"
            self._stop(CallError(error.kind, told))


async def _stream(
    requests: Iterable[Request] | AsyncIterable[Request],
) -> AsyncGenerator[Request, None]:
    if isinstance(requests, AsyncIterable):
        async for request in requests:
            yield request
    else:
        for request in requests:
            yield request
