"""From runs to verdicts: what the ledger answers is taken from there, the rest is asked and paid.

Each request is asked by one process, once; a bad answer is asked again once, with its error stated.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from srft_assets.critic.answer.parse import BadAnswer, again, parse
from srft_assets.critic.call import Reply, Request
from srft_assets.critic.client import Client
from srft_assets.critic.failures import HOPELESS, ITS_OWN, BudgetSpentError, CallError, Kind
from srft_assets.critic.ledger import Ledger
from srft_assets.critic.llm.judged import AT_ONCE, Judged
from srft_assets.critic.prompt.parts import requests_for
from srft_assets.critic.prompt.reading import TooLongError
from srft_assets.critic.prompt.template import Prompt
from srft_assets.critic.spec import LlmSpec
from srft_assets.critic.verdict import Label, Verdict
from srft_assets.errors import SrftError

TRIES = 2
LOOK_SECONDS = 0.3
"""How often a request that another process asks is looked up."""
FEWEST_IN_A_ROW = 8
GRACE_SECONDS = 0.2
"""After an interruption: answers that are on their way through this process are still taken."""


@dataclass(slots=True)
class Exchange:
    """One request, or a second one after a bad answer.

    Attributes:
        place: of the run among those judged.
        spec: of the critic.
        request: what is to be asked next.
        tokens: of the prompt, estimated.
        verdicts: one a step of the request, once it is over.
        bad: kinds of the bad answers so far.
    """

    place: int
    spec: LlmSpec
    request: Request
    tokens: int = 0
    verdicts: list[Verdict] | None = None
    bad: list[str] = field(default_factory=list)

    def take(self, reply: Reply) -> None:
        """Use the answer to `request`; `verdicts` or another `request` follows."""
        answer = parse(reply, self.request, self.spec)
        if not isinstance(answer, BadAnswer):
            self.verdicts = answer
            return
        self.bad.append(str(answer.kind))
        if len(self.bad) < TRIES:
            self.request = again(self.request, reply, answer)
        else:
            self.give_up(answer.reason, reply)

    def give_up(self, reason: str, reply: Reply | None = None) -> None:
        """Leave the steps unlabeled."""
        rule, call = (reply.model, reply.key) if reply else ("", "")
        self.verdicts = unlabeled(self.request.steps, reason, rule, call)


def unlabeled(steps: range, reason: str, rule: str = "", call: str = "") -> list[Verdict]:
    """A verdict that says nothing, for each step."""
    return [Verdict(step, Label.UNLABELED, reason, rule, call) for step in steps]


@dataclass(slots=True)
class Ruled:
    """A run and what was said of it so far.

    Attributes:
        left: exchanges under way.
        cut: step → tokens of it that the critic is not shown; None → of the task.
    """

    trajectory_id: str
    left: int = 0
    cut: Counter[int | None] = field(default_factory=Counter)
    verdicts: list[Verdict] = field(default_factory=list)


@dataclass
class Batch:
    """One pass over the runs of a batch.

    Attributes:
        runs: those judged, in order; `done` of them are over.
        refused: trajectory_id → why its steps stay unlabeled.
        answered: calls that the ledger answered before anything was asked.
        to_pay: calls that it did not, with the steps they label and the estimated tokens of
            their prompts.
        bad: bad answers by kind.
    """

    spec: LlmSpec
    prompt: Prompt
    ledger: Ledger
    runs: list[Ruled] = field(default_factory=list)
    done: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    answered: int = 0
    to_pay: int = 0
    steps_to_pay: int = 0
    tokens_to_pay: int = 0
    bad: Counter[str] = field(default_factory=Counter)

    def open(self, judged: Iterable[Judged]) -> Iterator[Exchange]:
        """Yield the exchanges that need the model; all others are over by then."""
        source = iter(judged)
        while some := list(islice(source, AT_ONCE)):
            exchanges = [exchange for one in some for exchange in self._exchanges(one)]
            self._look_up(exchanges)
            for exchange in exchanges:
                if exchange.verdicts is None:
                    self.to_pay += 1
                    self.steps_to_pay += len(exchange.request.steps)
                    self.tokens_to_pay += exchange.tokens
                    yield exchange

    def close(self, exchange: Exchange) -> None:
        """Take the verdicts of an exchange that is over."""
        self.bad.update(exchange.bad)
        run = self.runs[exchange.place]
        run.verdicts += exchange.verdicts or []
        run.left -= 1
        self.done += run.left == 0

    def _look_up(self, exchanges: list[Exchange]) -> None:
        """Go as far with each as the ledger leads."""
        pending = exchanges
        while pending:
            keyed = [(exchange.request.key, exchange) for exchange in pending]
            found = self.ledger.find([key for key, _ in keyed])
            told = [(key, exchange) for key, exchange in keyed if key in found]
            self.answered += len(told)
            for key, exchange in told:
                exchange.take(found[key])
                if exchange.verdicts is not None:
                    self.close(exchange)
            pending = [exchange for _, exchange in told if exchange.verdicts is None]

    def _exchanges(self, judged: Judged) -> Iterator[Exchange]:
        place = len(self.runs)
        ruled = Ruled(judged.run.trajectory_id)
        self.runs.append(ruled)
        if judged.lacking:
            self._refuse(judged, judged.lacking)
            return
        try:
            asked = requests_for(self.spec, self.prompt, judged.run, judged.seen)
        except TooLongError as error:
            self._refuse(judged, error.reason)
            return
        ruled.left = len(asked.requests)
        self.done += ruled.left == 0
        for cut in asked.cuts:
            ruled.cut[cut.step_index] += cut.tokens_before - cut.tokens_after
        for request in asked.requests:
            yield Exchange(place, self.spec, request, asked.prompt_tokens // ruled.left)

    def _refuse(self, judged: Judged, reason: str) -> None:
        run = judged.run
        self.refused[run.trajectory_id] = reason
        self.done += 1
        self.runs[-1].verdicts = unlabeled(range(len(run.steps)), reason)


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
