"""How long to wait: what the server asks for, and a pause that all calls share."""

import asyncio
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds that `retry-after-ms` or `Retry-After` (seconds or an HTTP date) ask for."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        try:
            seconds = float(value) * unit
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    return _until(headers.get("retry-after", ""))


def _until(date: str) -> float | None:
    try:
        when = parsedate_to_datetime(date)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max(0.0, (when - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None


class Gate:
    """Lets attempts through, except while the server asked for a pause."""

    def __init__(self) -> None:
        self.opens = 0.0

    def hold(self, seconds: float) -> None:
        """Nothing passes for so long; a pause that ends later stays."""
        self.opens = max(self.opens, time.monotonic() + seconds)

    async def passed(self) -> None:
        """Wait until the gate is open, and up to a tenth of the wait longer: not all at once."""
        while (closed := self.opens - time.monotonic()) > 0:
            await asyncio.sleep(closed * random.uniform(1.0, 1.1))
