"""Budgets: a call is reserved before it is sent, and settled with what it took."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from srft_assets.critic.failures import GO_ON, SPENT, BudgetSpentError

WAIT_SECONDS = 0.02
LOOK_SECONDS = 5.0
"""How often what others spent is looked up; what they have under way is not known."""


class Limits(Protocol):
    """What is paid for at most; None bounds nothing."""

    @property
    def max_calls(self) -> int | None: ...
    @property
    def max_tokens(self) -> int | None: ...
    @property
    def max_usd(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Spent:
    """Answered calls, their tokens (prompt and answer), and USD at the stated prices."""

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0


def bounds(limits: Limits) -> bool:
    return (limits.max_calls, limits.max_tokens, limits.max_usd) != (None, None, None)


def left(limits: Limits, used: Spent) -> dict[str, float]:
    """What is left of each bound, by unit; none where nothing is bounded."""
    pairs = {
        "calls": (limits.max_calls, used.calls),
        "tokens": (limits.max_tokens, used.tokens),
        "usd": (limits.max_usd, used.usd),
    }
    return {unit: max(most - taken, 0) for unit, (most, taken) in pairs.items() if most is not None}


def today() -> str:
    """The day in UTC, as the times of answers begin."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


class Budget:
    """Calls, tokens and USD, each without limit where None. Threads and event loops may share one.

    A call is reserved with an estimate of its tokens; without an answer it costs nothing. The limit
    of calls is never passed, that of tokens by no more than the estimates are too low.

    Attributes:
        whose: what is bounded, and by which settings, for messages.
        then: what goes on once it is spent, and when.
        counted: what was paid for, also by others; without it nobody else takes of the budget.
        dearest: USD a token at most, for calls under way.
    """

    def __init__(
        self,
        max_calls: int | None = None,
        max_tokens: int | None = None,
        max_usd: float | None = None,
        *,
        whose: str = "budget of this run",
        then: str = GO_ON,
        counted: Callable[[], Spent] | None = None,
        dearest: float = 0.0,
    ) -> None:
        self.max_calls, self.max_tokens, self.max_usd = max_calls, max_tokens, max_usd
        self.whose, self.then, self.dearest = whose, then, dearest
        self.calls = self.tokens = 0
        self.counted = counted or (lambda: Spent(self.calls, self.tokens))
        self._open_calls = self._open_tokens = 0
        self._lock = threading.Lock()
        self._first = self._last = self.counted()
        self._own = (0, 0)
        self._looked, self._day = time.monotonic(), today()

    async def reserve(self, tokens: int) -> None:
        """Take a call out of the budget. While calls under way hold what is left, wait for them.

        Raises BudgetSpentError where what was counted when all was settled leaves no room for it.
        """
        while True:
            if time.monotonic() - self._looked > LOOK_SECONDS:
                await asyncio.to_thread(self._look)
            try:
                if self._taken(tokens):
                    return
            except BudgetSpentError:
                if self._own == (self.calls, self.tokens):
                    raise
                await asyncio.to_thread(self._look)
            else:
                await asyncio.sleep(WAIT_SECONDS)

    def settle(self, reserved: int, spent: int | None) -> None:
        """Replace a reservation by what the call took; None where it got no answer."""
        with self._lock:
            self._open_calls -= 1
            self._open_tokens -= reserved
            if spent is not None:
                self.calls += 1
                self.tokens += spent

    def check(self, calls: int, tokens: int) -> None:
        """Raise BudgetSpentError where so many more are too many, by what was paid for so far."""
        used = self.counted()
        more = Spent(calls, tokens, self.dearest * tokens)
        for unit, rest in left(self, used).items():
            if getattr(more, unit) > rest:
                told = f"{self.whose}: others spent meanwhile what these {calls:,} calls would take"
                raise BudgetSpentError(told, self.then)

    def _look(self) -> None:
        with self._lock:
            own = (self.calls, self.tokens)
        day = today()
        last = self.counted()
        with self._lock:
            self._last, self._own, self._looked = last, own, time.monotonic()
            if self._day != day:  # what it asked before is in what was counted, or of that day
                self._day = day
                self._first = Spent(last.calls - own[0], last.tokens - own[1], last.usd)

    def _taken(self, tokens: int) -> bool:
        with self._lock:
            spent = self._spent(tokens)
            if spent and not self._open_calls:
                raise BudgetSpentError(f"{self.whose}: {spent}", self.then)
            if not spent:
                self._open_calls += 1
                self._open_tokens += tokens
            return not spent

    def _spent(self, tokens: int) -> str:
        """Which limit one more call would pass."""
        new_calls, new_tokens = self.calls - self._own[0], self.tokens - self._own[1]
        calls = max(self._first.calls + self.calls, self._last.calls + new_calls)
        held = max(self._first.tokens + self.tokens, self._last.tokens + new_tokens)
        # What was not counted yet costs as if all of it were the dearer kind.
        usd = self._last.usd + self.dearest * (held - self._last.tokens)
        more = self.dearest * (self._open_tokens + tokens)
        calls, held = calls + self._open_calls, held + self._open_tokens
        if self.max_calls is not None and calls >= self.max_calls:
            return f"{self.max_calls:,} calls {SPENT}"
        if self.max_tokens is not None and held + tokens > self.max_tokens:
            told = f"{held:,} of {self.max_tokens:,} tokens {SPENT}"
            return f"{told}, and the next call may take {tokens:,}"
        if self.max_usd is not None and usd + more > self.max_usd:
            told = f"{usd:.2f} of {self.max_usd:.2f} USD {SPENT}"
            return f"{told}, and the next call may cost {more:.2f}"
        return ""


class Budgets:
    """Several budgets, each of which must have room for a call."""

    def __init__(self, budgets: Sequence[Budget]) -> None:
        self.budgets = budgets

    async def reserve(self, tokens: int) -> None:
        for place, budget in enumerate(self.budgets):
            try:
                await budget.reserve(tokens)
            except BaseException:
                for before in self.budgets[:place]:
                    before.settle(tokens, None)
                raise

    def settle(self, reserved: int, spent: int | None) -> None:
        for budget in self.budgets:
            budget.settle(reserved, spent)
