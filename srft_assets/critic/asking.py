"""Asking the model what the ledger does not know: each request by one process, and once."""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain

from srft_assets.critic.call import Reply, Request
from srft_assets.critic.client import Client, budget_of
from srft_assets.critic.exchanges import Batch, Exchange, Judged
from srft_assets.critic.failures import HOPELESS, ITS_OWN, BudgetSpentError, CallError, Kind
from srft_assets.critic.ledger import Ledger
from srft_assets.critic.spec import Endpoint
from srft_assets.errors import SrftError
from srft_assets.serving.server import Served
from srft_assets.warehouse.stage import Work

LOOK_SECONDS = 0.3
"""How often a request that another process asks is looked up."""
FEWEST_IN_A_ROW = 8
GRACE_SECONDS = 0.2
"""After an interruption: answers that are on their way through this process are still taken."""


class Asking:
    """Brings exchanges to their end: as many calls at once as the endpoint takes.

    Attributes:
        paid: calls that the server answered.
        refused: trajectory_id → why the endpoint refused the request.
        unanswered: reasons of calls that another try may answer.
    """

    def __init__(
        self,
        ledger: Ledger,
        client: Client,
        over: Callable[[Exchange], None],
        critic: str = "",
        batch: str = "",
    ) -> None:
        self.ledger, self.client, self.over = ledger, client, over
        self.critic, self.batch = critic, batch
        self.paid = 0
        self.refused: dict[str, str] = {}
        self.unanswered: list[str] = []
        self._failed_in_a_row = 0
        self._end: Exception | None = None
        self._ending = False
        self._taking = asyncio.Lock()

    async def run(self, exchanges: Iterator[Exchange]) -> None:
        """Ask. Exchanges are taken as places get free, so the source may render prompts.

        Raises, when what was under way is over:
            CallError: every further call would fail too: a wrong key or model, or as many
                failures in a row as calls run at once.
            BudgetSpentError: likewise, when the budget is spent.
        """
        # More than calls at once: some render, claim and keep while the others are asked.
        places = range(2 * self.client.endpoint.concurrency)
        workers = [asyncio.create_task(self._work(exchanges)) for _ in places]
        try:
            done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            self._ending = True
            await asyncio.wait(workers, timeout=GRACE_SECONDS)
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        for worker in done:
            worker.result()
        if isinstance(self._end, BudgetSpentError):
            raise BudgetSpentError(f"{self._end}: {self.paid} answered; run again to go on")
        if self._end is not None:
            raise self._end

    async def _work(self, exchanges: Iterator[Exchange]) -> None:
        while (exchange := await self._next(exchanges)) is not None:
            while exchange.verdicts is None and self._end is None:
                try:
                    exchange.take(await self._reply(exchange.request))
                except BudgetSpentError as error:
                    self._stop(error)
                except CallError as error:
                    self._failed(exchange, error)
                    break
            if exchange.verdicts is not None:
                self.over(exchange)

    async def _next(self, exchanges: Iterator[Exchange]) -> Exchange | None:
        """The next exchange, made in a thread; None where there is none, or no more is asked."""
        async with self._taking:
            if self._ending or self._end is not None:
                return None
            try:
                return await asyncio.to_thread(next, exchanges, None)
            except Exception as error:  # noqa: BLE001 (of the source: what is under way goes on)
                self._stop(error)
                return None

    async def _reply(self, request: Request) -> Reply:
        """The answer, from whoever has it; durable before anyone sees it."""
        while not (claimed := await asyncio.to_thread(self.ledger.claim, request.key)):
            await asyncio.sleep(LOOK_SECONDS)
        if isinstance(claimed, Reply):
            return claimed
        try:
            reply = await self.client.ask(request)
        except SrftError:
            await asyncio.to_thread(self.ledger.release, request.key)
            raise
        self._failed_in_a_row = 0
        reply = replace(reply, critic=self.critic, batch=self.batch)
        kept = await asyncio.shield(asyncio.to_thread(self.ledger.keep, reply))
        self.paid += 1
        return kept

    def _stop(self, why: Exception) -> None:
        """Take no further exchange; the first reason counts."""
        self._end = self._end or why

    def _failed(self, exchange: Exchange, error: CallError) -> None:
        """End everything where the fault lies with the endpoint and not with one request."""
        if error.kind in ITS_OWN:
            self.refused[exchange.request.about] = error.reason
            exchange.give_up(error.reason)
        else:
            self.unanswered.append(error.reason)
        self._failed_in_a_row += error.kind is not Kind.TOO_LONG
        most = max(FEWEST_IN_A_ROW, self.client.endpoint.concurrency)
        if error.kind in HOPELESS:
            self._stop(error)
        elif self._failed_in_a_row >= most:
            told = f"{most} calls in a row failed, the last: {error.reason}"
            self._stop(CallError(error.kind, told))


class Calls:
    """What is asked for one partition, and how it is shown."""

    def __init__(self, critic: str, batch: Batch, work: Work, runs: int) -> None:
        self.critic, self.batch, self.work, self.runs = critic, batch, work, runs
        self.asking: Asking | None = None

    @property
    def paid(self) -> int:
        """Calls that the server answered."""
        return self.asking.paid if self.asking else 0

    @property
    def refused(self) -> dict[str, str]:
        """Trajectory_id → why the endpoint refused the request."""
        return self.asking.refused if self.asking else {}

    def make(self, judged: Iterable[Judged]) -> None:
        """Bring all runs of the batch to their end.

        Raises SrftError where calls are left without an answer: what came is in the ledger, and
        the same command goes on from there.
        """
        exchanges = self.batch.open(judged)
        first = next(exchanges, None)
        self._show()
        if first is None:
            return
        endpoint = self.batch.spec.endpoint
        with _served(endpoint, self.work) as served:
            if served.models and self.batch.spec.model not in served.models:
                there = ", ".join(served.models)
                raise SrftError(
                    f"critic {self.critic} asks for {self.batch.spec.model}, and the server has "
                    f"{there}: mend `model` in its YAML, or name the served model so"
                )
            asyncio.run(self._ask(chain([first], exchanges), served))
        self._show()

    async def _ask(self, exchanges: Iterator[Exchange], served: Served) -> None:
        endpoint = self.batch.spec.endpoint
        budget = budget_of(self.work.run_id, endpoint)
        async with Client(
            endpoint, served.base_url, api_key=served.api_key, budget=budget
        ) as client:
            self.asking = Asking(
                self.batch.ledger, client, self._over, self.critic, self.work.partition
            )
            await self.asking.run(exchanges)
        if left := self.asking.unanswered:
            raise SrftError(
                f"{len(left)} calls got no answer ({left[0]}); "
                f"{self.paid} are in the ledger: run again to go on"
            )

    def _over(self, exchange: Exchange) -> None:
        self.batch.close(exchange)
        self._show()

    def _show(self) -> None:
        counts = {"from the ledger": self.batch.answered, "paid": self.paid}
        note = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        label = f"step_verdicts/{self.critic} {self.work.partition}"
        self.work.progress.report(label, self.batch.done, self.runs, note)


@contextmanager
def _served(endpoint: Endpoint, work: Work) -> Iterator[Served]:
    """The stated endpoint, else the server of the platform; the key of a server that we did not
    start comes from the environment."""
    key = os.environ.get(endpoint.api_key_env) or None
    if endpoint.base_url is not None:
        yield Served(endpoint.base_url, key)
        return
    with work.serve() as served:
        yield served if served.api_key else replace(served, api_key=key)
