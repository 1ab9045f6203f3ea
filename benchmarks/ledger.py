"""How fast answers are kept and found again. Prints one JSON object."""

import argparse
import hashlib
import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import sqlalchemy as sa

from srft_assets.critic.calls import Reply, to_row
from srft_assets.critic.ledger import Ledger
from srft_assets.database.store import ANSWERS, database_of
from srft_assets.home import Home

WANTED = 2_000
"""Replies of one look-up: a batch of failed runs, one call each."""
KEPT = 300
THREADS = 16
TURNS = 5


def reply(number: int, size: int) -> Reply:
    """An answer of about `size` bytes."""
    key = hashlib.sha256(str(number).encode()).hexdigest()
    text = json.dumps({"0": {"reason": "x" * size, "label": "good"}})
    return Reply(key, text, None, "stop", "m", 9_000, 900, 8_000, 3.5, 0, "2026-11-01", "c", "r")


def keeping(ledger: Ledger, size: int) -> dict[str, float]:
    """Milliseconds until an answer is durable: one after another, and of many threads at once."""
    replies = [reply(number, size) for number in range(2 * KEPT)]

    def keep(some: Sequence[Reply]) -> None:
        for each in some:
            ledger.keep(each)

    def together() -> None:
        parts = [replies[KEPT + part :: THREADS] for part in range(THREADS)]
        threads = [threading.Thread(target=keep, args=(part,)) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    one_by_one = timed(lambda: keep(replies[:KEPT]))
    return {
        "keep_ms": one_by_one * 1000 / KEPT,
        "keep_threads_ms": timed(together) * 1000 / KEPT,
    }


def timed(act: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replies", type=int, default=200_000)
    parser.add_argument("--size", type=int, default=4096, help="of an answer, in bytes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Ledger(Home(Path(name))) as ledger:
        figures = keeping(ledger, given.size)
        first = 10 * KEPT
        with database_of(Home(Path(name))).write() as connection:
            for start in range(first, first + given.replies, 1000):
                rows = [to_row(reply(number, given.size)) for number in range(start, start + 1000)]
                connection.execute(sa.insert(ANSWERS), rows)
        chance = random.Random(0)
        numbers = chance.sample(range(first, first + given.replies), WANTED)
        keys = [reply(number, 0).key for number in numbers]
        assert len(ledger.find(keys)) == WANTED
        times = [timed(lambda: ledger.find(keys)) for _ in range(TURNS)]
        figures["find_s"] = statistics.median(times)
    print(json.dumps({each: round(value, 4) for each, value in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
