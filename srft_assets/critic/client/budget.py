"""What one Dagster run may pay for."""

import asyncio
import threading
from functools import cache
from typing import Any

from srft_assets.critic.client.errors import BudgetSpentError
from srft_assets.critic.prompt.count import tokens_of
from srft_assets.critic.spec import Endpoint

LOOK_SECONDS = 0.02


class Budget:
    """Calls and tokens, both without limit where None. Threads and event loops may share one.

    A call is reserved before it is sent, with an estimate of its tokens, and settled with what
    it took; a call without an answer costs nothing. The limit of calls is never passed, that of
    tokens by no more than the estimates are too low.
    """

    def __init__(self, max_calls: int | None = None, max_tokens: int | None = None) -> None:
        self.max_calls = max_calls
        self.max_tokens = max_tokens
        self.calls = 0
        self.tokens = 0
        self._open_calls = 0
        self._open_tokens = 0
        self._lock = threading.Lock()

    async def reserve(self, tokens: int) -> None:
        """Take a call out of the budget. While calls under way hold what is left, wait for them.

        Raises:
            BudgetSpentError: nothing is under way that could leave room for this call.
        """
        while not self._taken(tokens):
            await asyncio.sleep(LOOK_SECONDS)

    def settle(self, reserved: int, spent: int | None) -> None:
        """Replace a reservation by what the call took; None where it got no answer."""
        with self._lock:
            self._open_calls -= 1
            self._open_tokens -= reserved
            if spent is not None:
                self.calls += 1
                self.tokens += spent

    def _taken(self, tokens: int) -> bool:
        with self._lock:
            spent = self._spent(tokens)
            if spent and not self._open_calls:
                raise BudgetSpentError(spent)
            if not spent:
                self._open_calls += 1
                self._open_tokens += tokens
            return not spent

    def _spent(self, tokens: int) -> str:
        """Which limit one more call would pass."""
        calls = self.calls + self._open_calls
        if self.max_calls is not None and calls >= self.max_calls:
            return f"budget of {self.max_calls} calls is spent"
        held = self.tokens + self._open_tokens
        if self.max_tokens is not None and held + tokens > self.max_tokens:
            return (
                f"budget of {self.max_tokens} tokens has no room for a call of about {tokens}: "
                f"{self.tokens} are spent"
            )
        return ""


def estimate(body: dict[str, Any], size: int) -> int:
    """Tokens that a call may take: its JSON of `size` bytes, and the longest answer it allows."""
    longest = body.get("max_completion_tokens") or body.get("max_tokens") or 0
    return tokens_of(size) + int(longest)


_making = threading.Lock()


def budget_of(run_id: str, endpoint: Endpoint) -> Budget:
    """The budget that all partitions of a run share for one endpoint, within one process."""
    with _making:
        return _budget(run_id, endpoint)


@cache
def _budget(run_id: str, endpoint: Endpoint) -> Budget:
    return Budget(endpoint.max_calls, endpoint.max_tokens)
