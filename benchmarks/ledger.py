"""How fast answers are kept and found again, against SQLite.

Prints one JSON object. The alternative is one SQLite table of the same lines by key, in WAL mode:
`synchronous=NORMAL`, which can lose the last commits with the power, and `FULL`, which, like the
ledger, cannot. Ratios compare things measured in the same run.
"""

import argparse
import hashlib
import json
import random
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence, Sized
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

from srft_assets.critic.call import Reply
from srft_assets.critic.ledger.compaction import compact
from srft_assets.critic.ledger.ledger import Ledger
from srft_assets.critic.ledger.record import decode, encode

WANTED = 2_000
"""Replies of one look-up: a batch of failed runs, one call each."""
STEPS = 30
"""Steps that a reply labels."""
APPENDS = 300
THREADS = 16
TURNS = 5
WORDS = ("the", "step", "reads", "file", "again", "wrong", "edit", "test", "passes", "module")


def reply(number: int, size: int) -> Reply:
    """An answer of about `size` bytes that compresses as verdicts do."""
    chance = random.Random(number)
    labels, reason = ("good", "unnecessary", "mistake", "recover"), size // STEPS // 8
    steps = [
        {
            "i": step,
            "label": chance.choice(labels),
            "why": " ".join(chance.choices(WORDS, k=reason)),
        }
        for step in range(STEPS)
    ]
    key = hashlib.sha256(str(number).encode()).hexdigest()
    at = f"2026-11-{1 + number // 86_400:02d}T{number // 3600 % 24:02d}:{number // 60 % 60:02d}"
    return Reply(key, json.dumps(steps), None, "stop", "m", 9_000, 900, 8_000, 3.5, 0, at, "c", "r")


def table(path: Path, synchronous: str) -> sqlite3.Connection:
    """The alternative."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, line BLOB)")
    return connection


def appending(folder: Path, replies: Sequence[Reply]) -> dict[str, float]:
    """Milliseconds an append, of each way in turns; threads append to the ledger together."""
    times: dict[str, list[float]] = {}
    with Ledger(folder / "append") as ledger:
        for turn in range(TURNS):
            made = replies[turn * APPENDS : (turn + 1) * APPENDS]
            spent = {"append_ms": _timed(_one_by_one, ledger, made)}
            spent["append_threads_ms"] = _timed(_together, ledger, made)
            for way in ("NORMAL", "FULL"):
                with closing(table(folder / f"{way}{turn}.sqlite", way)) as connection:
                    spent[f"sqlite_{way.lower()}_append_ms"] = _timed(_insert, connection, made)
            for name, seconds in spent.items():
                times.setdefault(name, []).append(seconds)
    return {name: statistics.median(each) * 1000 / APPENDS for name, each in times.items()}


def _one_by_one(ledger: Ledger, replies: Sequence[Reply]) -> None:
    for each in replies:
        ledger.append(each)


def _together(ledger: Ledger, replies: Sequence[Reply]) -> None:
    threads = [
        threading.Thread(target=_one_by_one, args=(ledger, replies[each::THREADS]))
        for each in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _insert(connection: sqlite3.Connection, replies: Sequence[Reply]) -> None:
    for each in replies:
        connection.execute("INSERT INTO replies VALUES (?, ?)", (each.key, encode(each)))


def fill(folder: Path, count: int, size: int) -> list[str]:
    """The same lines in a ledger's folder and in a table, written in one go; their keys."""
    keys: list[str] = []
    (folder / "ledger").mkdir()
    with (
        (folder / "ledger" / "2026-11-23-bench-1-0.jsonl").open("wb") as file,
        closing(table(folder / "find.sqlite", "NORMAL")) as connection,
    ):
        connection.execute("BEGIN")
        for number in range(count):
            made = reply(number, size)
            line = encode(made)
            file.write(line)
            connection.execute("INSERT INTO replies VALUES (?, ?)", (made.key, line))
            keys.append(made.key)
        connection.execute("COMMIT")
    return keys


def finding(folder: Path, keys: Sequence[str]) -> dict[str, float]:
    """Seconds to look up replies: scattered ones, and those of one run of a critic."""
    chance = random.Random(0)
    scattered = chance.sample(keys, min(WANTED, len(keys)))
    begin = chance.randrange(max(1, len(keys) - WANTED))
    together = keys[begin : begin + WANTED]
    figures: dict[str, float] = {}
    with closing(table(folder / "find.sqlite", "NORMAL")) as connection:
        figures["sqlite_find_s"] = _median(_select, connection, scattered)
    for state in ("lines", "compacted"):
        if state == "compacted":
            figures["compact_s"] = _timed(compact, folder / "ledger")
        with Ledger(folder / "ledger") as ledger:
            before = psutil.Process().memory_info().rss
            figures[f"{state}_first_look_s"] = _timed(ledger.has, scattered)
            figures[f"{state}_first_look_mb"] = (psutil.Process().memory_info().rss - before) / 1e6
            figures[f"{state}_has_s"] = _median(ledger.has, scattered)
            figures[f"{state}_find_s"] = _median(ledger.find, scattered)
            figures[f"{state}_find_run_s"] = _median(ledger.find, together)
    return figures


def _select(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Reply]:
    sql = "SELECT line FROM replies WHERE key IN (SELECT value FROM json_each(?))"
    found = (decode(line).reply for (line,) in connection.execute(sql, [json.dumps(keys)]))
    return {each.key: each for each in found}


def _timed(act: Callable[..., object], *words: object) -> float:
    began = time.perf_counter()
    act(*words)
    return time.perf_counter() - began


def _median(act: Callable[..., Sized], *words: Any) -> float:
    """Of several calls. Each answers every key, the last of the words."""
    assert len(act(*words)) == len(words[-1])
    return statistics.median(_timed(act, *words) for _ in range(TURNS))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replies", type=int, default=200_000)
    parser.add_argument("--size", type=int, default=4096, help="of an answer, in bytes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = appending(folder, [reply(each, given.size) for each in range(APPENDS * TURNS)])
        figures |= finding(folder, fill(folder, given.replies, given.size))
    for way in ("normal", "full"):
        ratio = figures["append_ms"] / figures[f"sqlite_{way}_append_ms"]
        figures[f"ratio_append_to_sqlite_{way}"] = ratio
    together = figures["append_threads_ms"] / figures["sqlite_full_append_ms"]
    figures["ratio_append_threads_to_sqlite_full"] = together
    for state in ("lines", "compacted"):
        ratio = figures[f"{state}_find_s"] / figures["sqlite_find_s"]
        figures[f"ratio_find_{state}_to_sqlite"] = ratio
    figures["steps_per_second"] = WANTED * STEPS / figures["lines_find_s"]
    print(json.dumps({each: round(value, 4) for each, value in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
