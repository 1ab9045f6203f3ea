"""Asking half price: requests go to the provider in batches, and their answers into the ledger."""

import asyncio
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from typing import IO

from srft_assets.critic.asking import served_at
from srft_assets.critic.budget import Budget, Budgets
from srft_assets.critic.calls import Request
from srft_assets.critic.client import BACKOFF, LONGEST_BACKOFF, Client, estimate
from srft_assets.critic.exchanges import AT_ONCE, Batch, Judged
from srft_assets.critic.failures import BudgetSpentError, CallError, Kind
from srft_assets.critic.job_client import line_of
from srft_assets.critic.job_reading import Reading
from srft_assets.critic.jobs import Call, Job, Jobs, State
from srft_assets.critic.spending import budget_of, lasting_budgets
from srft_assets.serving.server import Served
from srft_assets.warehouse.stage import Work

FILE_BYTES = 200 * 1000 * 1000


@dataclass(frozen=True, slots=True)
class Came:
    """How many requests batches answered, and of others by key why none does."""

    paid: int = 0
    failures: dict[str, CallError] = field(default_factory=dict)


def ask_in_batches(
    critic: str, start: Callable[[], Batch], judged: Callable[[], Iterable[Judged]], work: Work
) -> Came:
    """Bring into the ledger what batches answer: those under way that hold requests of ours, and,
    with `endpoint.batch`, new ones for the rest.

    `start` begins a pass over the runs, which `judged` yields anew each time. Raises WaitingError
    where a batch is under way and `work` is not to wait, and SrftError where it goes no further;
    what came is in the ledger, what was submitted in the database, and the same command goes on.
    """
    begun = start()
    endpoint = begun.spec.endpoint
    if not endpoint.batch and not Jobs(work.home).under_way():
        return Came()
    if next(begun.open(judged()), None) is None:
        return Came()

    async def ask(served: Served) -> Came:
        async with Client(endpoint, served.base_url, api_key=served.api_key) as client:
            with ExitStack() as turns:
                return await AskingInBatches(critic, start, judged, work, client, turns).run()

    with served_at(endpoint, work) as served:
        return asyncio.run(ask(served))


class Draft:
    """A file of requests that grows, in a folder and without a name there."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (it is the draft's)
        self.calls: dict[str, Call] = {}
        self.size = 0

    def add(self, call: Call, line: bytes) -> None:
        self.file.write(line)
        self.calls[call.key] = call
        self.size += len(line)

    def only(self, keys: set[str]) -> "Draft":
        if keys == self.calls.keys():
            return self
        rest = Draft(self.folder)
        self.file.seek(0)
        for call, line in zip(self.calls.values(), self.file, strict=True):
            if call.key in keys:
                rest.add(call, line)
        return rest


class AskingInBatches:
    """One partition: pass after pass over its requests, until none is left to wait for.

    Attributes:
        seen: keys of requests that had no answer in some pass.
        spent: the budget that ends it, once what was submitted is read.
    """

    def __init__(
        self,
        critic: str,
        start: Callable[[], Batch],
        judged: Callable[[], Iterable[Judged]],
        work: Work,
        client: Client,
        turns: ExitStack,
    ) -> None:
        begun = start()
        self.critic, self.start, self.judged, self.work = critic, start, judged, work
        self.spec, self.ledger, self.jobs = begun.spec, begun.ledger, Jobs(work.home)
        self.client, self.folder = client, str(work.home.root)
        self.reading = Reading(critic, work, self.ledger, client, turns)
        self.seen: set[str] = set()
        self.spent: BudgetSpentError | None = None

    async def run(self) -> Came:
        pause = BACKOFF
        while jobs := await self._pass():
            await self.reading.bring(jobs)
            if self.spent is not None:
                break
            if any(map(self.reading.may_answer, self.reading.failures)):
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_BACKOFF)
        paid = len(await asyncio.to_thread(self.ledger.find, self.seen))
        if self.spent is not None:
            raise BudgetSpentError(f"{self.spent}: {paid} answered; {self.spent.then}")
        return Came(paid, self.reading.failures)

    async def _pass(self) -> list[str]:
        """Go over all requests, and submit those that nobody asks; ids of jobs that hold ours."""
        exchanges = self.start().open(self.judged())
        budget = Budgets([budget_of(self.work.run_id, self.spec.endpoint), *self._lasting()])
        jobs: dict[str, None] = {}
        draft = Draft(self.folder)
        while some := await asyncio.to_thread(lambda: list(islice(exchanges, AT_ONCE))):
            requests = {exchange.request.key: exchange.request for exchange in some}
            self.seen.update(requests)
            held = await asyncio.to_thread(self.jobs.holding, requests)
            jobs |= dict.fromkeys(held.values())
            for key, request in requests.items() if self.spec.endpoint.batch else ():
                if key in held or key in draft.calls or not self.reading.may_answer(key):
                    continue
                call, line = self._line(request)
                if await self._is_spent(budget, call):
                    break
                too_long = draft.size + len(line) > FILE_BYTES
                if too_long or len(draft.calls) >= self.spec.endpoint.batch_calls:
                    jobs |= dict.fromkeys(await self._submit(draft))
                    draft = Draft(self.folder)
                draft.add(call, line)
        jobs |= dict.fromkeys(await self._submit(draft))
        return list(jobs)

    def _lasting(self) -> list[Budget]:
        work = self.work
        return lasting_budgets(
            work.home, self.critic, self.spec, work.started_by, work.allowance, in_batches=True
        )

    async def _is_spent(self, budget: Budgets, call: Call) -> bool:
        """Whether there is no room for a request; else it is paid for, as its estimate says."""
        if self.spent is None:
            tokens = call.prompt_tokens + call.completion_tokens
            try:
                await budget.reserve(tokens)
            except BudgetSpentError as error:
                self.spent = error
            else:
                budget.settle(tokens, tokens)
        return self.spent is not None

    def _line(self, request: Request) -> tuple[Call, bytes]:
        known = self.client.parameters_of(request.body)
        line = line_of(request.key, known.adapted(request.body, self.spec.endpoint.parameters))
        prompt = estimate({}, len(line))
        answer = estimate(request.body, 0)
        return Call(request.key, request.about, prompt, answer), line

    async def _submit(self, draft: Draft) -> list[str]:
        """Send those requests of a draft that are in nobody else's hands; the id of their job.

        Raises CallError where the provider does not take it: its requests are free again, unless
        the batch may have been made.
        """
        reading, url = self.reading, self.client.secrets.url
        job = Job(self.critic, self.work.partition, self.spec.model, url)
        if not draft.calls:
            return []
        reading.is_ours(job.id)
        calls = list(draft.calls.values())
        budgets = await asyncio.to_thread(self._lasting)

        def check(free: Sequence[Call]) -> None:
            tokens = sum(call.prompt_tokens + call.completion_tokens for call in free)
            for budget in budgets:
                budget.check(len(free), tokens)

        try:
            keys = await asyncio.to_thread(self.jobs.open, job, calls, self.ledger, check)
        except BudgetSpentError as error:
            self.spent, keys = error, set()
        if not keys:
            return []
        draft = draft.only(keys)
        try:
            name = await reading.remote.upload(draft.file, f"srft-{job.id}.jsonl")
            job = await asyncio.to_thread(self.jobs.advance, job, state=State.UPLOADED, file=name)
            await reading.create(job)
        except CallError as error:
            if job.state is State.WRITTEN or error.kind is not Kind.UNAVAILABLE:
                await asyncio.to_thread(self.jobs.drop, job)
            raise
        return [job.id]
