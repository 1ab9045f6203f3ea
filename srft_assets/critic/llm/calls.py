"""The calls of one batch: an endpoint is opened only where the ledger does not know everything."""

import asyncio
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain

from srft_assets.critic.call import Reply, Request
from srft_assets.critic.client.budget import budget_of
from srft_assets.critic.client.client import Client
from srft_assets.critic.client.pace import Pace
from srft_assets.critic.ledger.claims import Claims
from srft_assets.critic.ledger.writer import Writer
from srft_assets.critic.llm.batch import Batch
from srft_assets.critic.llm.exchange import Exchange
from srft_assets.critic.llm.judged import Judged
from srft_assets.critic.llm.line import Line
from srft_assets.critic.spec import Endpoint
from srft_assets.errors import SrftError
from srft_assets.serving.server import Served
from srft_assets.warehouse.stage import Work


class Calls:
    """What is asked for one partition, and how it is shown."""

    def __init__(self, critic: str, batch: Batch, work: Work, runs: int, writer: Writer) -> None:
        self.critic, self.batch, self.work, self.runs = critic, batch, work, runs
        self.writer = writer
        self.paid = 0
        self.refused: dict[str, str] = {}
        self.pace = Pace(batch.spec.endpoint, runs)

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
        endpoint, ledger = self.batch.spec.endpoint, self.batch.ledger
        line = Line(ledger, Claims(self.work.home.ledger), self.critic, self._over)
        self.refused = line.refused
        async with Client(
            endpoint,
            served.base_url,
            api_key=served.api_key,
            on_reply=self._keep,
            budget=budget_of(self.work.run_id, endpoint),
        ) as client:
            await line.run(exchanges, client)
        if line.unanswered:
            raise SrftError(
                f"{len(line.unanswered)} calls got no answer ({line.unanswered[0]}); "
                f"{self.paid} are in the ledger: run again to go on"
            )

    def _keep(self, request: Request, reply: Reply) -> None:
        self.writer.append(reply)
        self.paid += 1
        self.pace.paid(reply)
        self._show()

    def _over(self, exchange: Exchange) -> None:
        self.batch.close(exchange)
        self._show()

    def _show(self) -> None:
        runs, pace = self.batch.runs, self.pace
        pace.from_ledger = self.batch.answered
        pace.total = round(self.runs * self.batch.requests / len(runs)) if runs else self.runs
        label = f"step_verdicts/{self.critic} {self.work.partition}"
        self.work.progress.report(label, self.batch.done, self.runs, pace.note)


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
