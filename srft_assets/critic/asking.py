"""Asking the model what the ledger does not know: each request by one process, and once."""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain

import orjson

from srft_assets.critic.budget import Budgets
from srft_assets.critic.calls import Reply, Request
from srft_assets.critic.client import Client
from srft_assets.critic.exchanges import Batch, Exchange, Judged
from srft_assets.critic.failures import HOPELESS, ITS_OWN, BudgetSpentError, CallError, Kind
from srft_assets.critic.ledger import Ledger
from srft_assets.critic.prompt.text import tokens_of
from srft_assets.critic.spec import Endpoint
from srft_assets.critic.spending import budget_of, counted, lasting_budgets
from srft_assets.errors import SrftError
from srft_assets.serving.server import Served
from srft_assets.warehouse.stage import Work

LOOK_SECONDS = 0.3
"""How often a request that another process asks is looked up."""
FEWEST_IN_A_ROW = 8
GRACE_SECONDS = 0.2
"""After an interruption: answers that are on their way through this process are still taken."""


def ask_model(
    critic: str,
    batch: Batch,
    judged: Iterable[Judged],
    work: Work,
    runs: int,
    failures: Mapping[str, CallError] | None = None,
) -> int:
    """Bring all runs of a partition to their end; how many calls the server answered.

    `runs` is how many there are to judge, for the progress; `failures` are of requests by key that
    are not asked, as it is known what becomes of them. Raises SrftError where calls are left
    without an answer: what came is in the ledger, and the same command goes on from there.
    """
    endpoint, label = batch.spec.endpoint, f"step_verdicts/{critic} {work.partition}"

    def report(paid: int = 0) -> None:
        counts = {"from the ledger": batch.answered - batch.paid, "paid": batch.paid + paid}
        note = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        work.progress.report(label, batch.done, runs, note)

    def over(exchange: Exchange) -> None:
        batch.close(exchange)
        report(asking.paid)

    async def ask(first: Exchange) -> None:
        async with client:
            await asking.run(chain([first], exchanges))

    exchanges = batch.open(judged)
    first = next(exchanges, None)
    report()
    if first is None:
        return 0
    with served_at(endpoint, work) as served:
        if served.models and batch.spec.model not in served.models:
            raise SrftError(
                f"critic {critic} asks for {batch.spec.model}, and the server has "
                f"{', '.join(served.models)}: mend `model` in its YAML, or name the served model so"
            )
        lasting = lasting_budgets(work.home, critic, batch.spec, work.started_by, work.allowance)
        budget = Budgets([budget_of(work.run_id, endpoint), *lasting])
        client = Client(endpoint, served.base_url, api_key=served.api_key, budget=budget)
        asking = Asking(batch.ledger, client, over, critic, work.partition, failures)
        asyncio.run(ask(first))
    if told := client.parameters_of({"model": batch.spec.model}).told():
        work.log.warning("%s refuses parameters: %s; see endpoint.parameters", critic, told)
    # What is refused without a known reason is at fault itself where others were answered.
    for exchange, reason in asking.refused:
        if asking.paid or batch.answered:
            exchange.refuse(reason)
            over(exchange)
        else:
            asking.unanswered.append(reason)
    if left := asking.unanswered:
        raise SrftError(
            f"{len(left)} calls got no answer ({left[0]}); "
            f"{batch.paid + asking.paid} are in the ledger: run again to go on"
        )
    return asking.paid


@contextmanager
def served_at(endpoint: Endpoint, work: Work) -> Iterator[Served]:
    """The stated endpoint, else the server of the platform; the key of a server that we did not
    start comes from the environment."""
    key = os.environ.get(endpoint.api_key_env) or None
    if endpoint.base_url is not None:
        yield Served(endpoint.base_url, key)
        return
    with work.serve() as served:
        yield served if served.api_key else replace(served, api_key=key)


class Asking:
    """Brings exchanges to their end: as many calls at once as the endpoint takes.

    Attributes:
        over: told of every exchange that is over.
        known: failures of requests that are not asked, by key.
        paid: calls that the server answered.
        refused: exchanges whose request the server refuses, without saying whose fault it is.
        unanswered: reasons of calls that another try may answer.
    """

    def __init__(
        self,
        ledger: Ledger,
        client: Client,
        over: Callable[[Exchange], None],
        critic: str,
        batch: str,
        known: Mapping[str, CallError] | None = None,
    ) -> None:
        self.ledger, self.client, self.over = ledger, client, over
        self.critic, self.batch = critic, batch
        self.known = known or {}
        self.paid = 0
        self.refused: list[tuple[Exchange, str]] = []
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
            raise BudgetSpentError(f"{self._end}: {self.paid} answered; {self._end.then}")
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
        if (failure := self.known.get(request.key)) is not None:
            raise failure
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
        prompt = tokens_of(len(orjson.dumps(request.body)))
        reply = replace(counted(reply, prompt), critic=self.critic, batch=self.batch)
        kept = await asyncio.shield(asyncio.to_thread(self.ledger.keep, reply))
        self.paid += 1
        return kept

    def _stop(self, why: Exception) -> None:
        """Take no further exchange; the first reason counts."""
        self._end = self._end or why

    def _failed(self, exchange: Exchange, error: CallError) -> None:
        """End everything where the fault lies with the endpoint and not with one request."""
        if error.kind in ITS_OWN:
            exchange.refuse(error.reason)
        elif error.kind is Kind.BAD_REQUEST:
            self.refused.append((exchange, error.reason))
        else:
            self.unanswered.append(error.reason)
        own = error.kind is Kind.TOO_LONG or (error.kind is Kind.BAD_REQUEST and self.paid > 0)
        self._failed_in_a_row += not (own or exchange.request.key in self.known)
        most = max(FEWEST_IN_A_ROW, self.client.endpoint.concurrency)
        if error.kind in HOPELESS:
            self._stop(error)
        elif self._failed_in_a_row >= most:
            told = f"{most} calls in a row failed, the last: {error.reason}"
            self._stop(CallError(error.kind, told))
