"""How many calls go out, and when: one gate for all calls of a client."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """Lets through as many attempts at once as the server takes, and none while it wants a pause.

    A server that has too many halves their number, and each round of answers adds one: additive
    increase, multiplicative decrease, as TCP finds its rate (Chiu and Jain 1989). So a server that
    takes far fewer than the client would send costs a few refused calls, not all their attempts.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = most
        self.opens = 0.0
        self._places = asyncio.Semaphore(most)
        self._owed = 0
        self._slowed = 0.0
        self._growth = 0.0

    @asynccontextmanager
    async def passed(self) -> AsyncIterator[float]:
        """Wait for a place and until a pause ends; the moment of entry, by the monotonic clock.

        After a pause up to a tenth of it longer, so that not all come at once.
        """
        await self._places.acquire()
        try:
            while (closed := self.opens - time.monotonic()) > 0:
                await asyncio.sleep(closed * random.uniform(1.0, 1.1))
            yield time.monotonic()
        finally:
            self._free()

    def hold(self, seconds: float) -> None:
        """Nothing passes for so long; a pause that ends later stays."""
        self.opens = max(self.opens, time.monotonic() + seconds)

    def refused(self, entered: float) -> None:
        """The server has had too many calls. Those that entered before the last cut say no more."""
        if entered < self._slowed:
            return
        self._slowed = time.monotonic()
        fewer = max(1, self.limit // 2)
        self._owed += self.limit - fewer
        self.limit = fewer

    def answered(self) -> None:
        """The server took a call."""
        if self.limit == self.most:
            return
        self._growth += 1 / self.limit
        if self._growth >= 1:
            self._growth = 0.0
            self.limit += 1
            self._free()

    def _free(self) -> None:
        """A place for the next, unless there shall be fewer."""
        if self._owed:
            self._owed -= 1
        else:
            self._places.release()
