"""The calls of one batch: an endpoint is opened only where the ledger does not know everything."""

import asyncio
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain

from srft_assets.critic.asking import Asking, Batch, Exchange
from srft_assets.critic.client import Client, budget_of
from srft_assets.critic.llm.judged import Judged
from srft_assets.critic.spec import Endpoint
from srft_assets.errors import SrftError
from srft_assets.serving.server import Served
from srft_assets.warehouse.stage import Work


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
