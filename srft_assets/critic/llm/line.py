"""Asking the model what the ledger does not know: each request by one process, and once."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing

from srft_assets.critic.call import Reply, Request
from srft_assets.critic.client.client import Client
from srft_assets.critic.client.errors import CallError, Kind
from srft_assets.critic.client.stream import ask_all
from srft_assets.critic.ledger.claims import Claims
from srft_assets.critic.ledger.ledger import Ledger
from srft_assets.critic.llm.exchange import Exchange

LOOK_SECONDS = 0.3
"""How often requests that another process asks are looked up."""

ITS_OWN = frozenset({Kind.TOO_LONG, Kind.BAD_REQUEST, Kind.FORBIDDEN})
"""Failures that lie in one request: its steps stay unlabeled, and asking again would not help."""


class Line:
    """Exchanges in, answers out, until all are over.

    Attributes:
        unanswered: reasons of calls that another try may answer.
        refused: trajectory_id → why the endpoint refused the request.
    """

    def __init__(
        self, ledger: Ledger, claims: Claims, critic: str, over: Callable[[Exchange], None]
    ) -> None:
        self.ledger, self.claims, self.critic, self.over = ledger, claims, critic, over
        self.unanswered: list[str] = []
        self.refused: dict[str, str] = {}
        self._again: deque[Exchange] = deque()
        self._elsewhere: deque[Exchange] = deque()
        self._asked: dict[str, Exchange] = {}
        self._changed = asyncio.Event()

    async def run(self, exchanges: Iterator[Exchange], client: Client) -> None:
        """Ask. Raises what `ask_all` raises; what was answered until then is in the ledger."""
        try:
            async with aclosing(ask_all(client, self._requests(exchanges), self.critic)) as answers:
                async for request, outcome in answers:
                    exchange = self._asked.pop(request.key)
                    self.claims.release(request.key)
                    if isinstance(outcome, CallError):
                        self._failed(exchange, outcome)
                    else:
                        self._took(exchange, outcome)
                    self._changed.set()
        finally:
            for key in self._asked:
                self.claims.release(key)
            self._asked.clear()

    async def _requests(self, exchanges: Iterator[Exchange]) -> AsyncIterator[Request]:
        """What is to be asked now: second tries first, then new ones."""
        drained = False
        while True:
            self._changed.clear()
            exchange = self._again.popleft() if self._again else None
            if exchange is None and not drained:
                exchange = next(exchanges, None)
                drained = exchange is None
            if exchange is None:
                if not self._asked and not self._elsewhere:
                    return
                await self._wait()
            elif self._mine(exchange):
                self._asked[exchange.request.key] = exchange
                yield exchange.request

    async def _wait(self) -> None:
        """Until an answer comes, or it is time to look what others were answered."""
        try:
            async with asyncio.timeout(LOOK_SECONDS if self._elsewhere else None):
                await self._changed.wait()
        except TimeoutError:
            self._again.extend(self._elsewhere)
            self._elsewhere.clear()

    def _mine(self, exchange: Exchange) -> bool:
        """Whether this process has to ask. Looked up once more when claimed: not before, because
        another process may have been answered in between."""
        key = exchange.request.key
        if not self.claims.try_claim(key):
            self._elsewhere.append(exchange)
            return False
        reply = self.ledger.find([key]).get(key)
        if reply is None:
            return True
        self.claims.release(key)
        self._took(exchange, reply)
        return False

    def _took(self, exchange: Exchange, reply: Reply) -> None:
        exchange.take(reply)
        if exchange.verdicts is None:
            self._again.append(exchange)
        else:
            self.over(exchange)

    def _failed(self, exchange: Exchange, error: CallError) -> None:
        if error.kind not in ITS_OWN:
            self.unanswered.append(error.reason)
            return
        self.refused[exchange.request.about] = error.reason
        exchange.give_up(error.reason)
        self.over(exchange)
