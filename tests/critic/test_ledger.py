"""The ledger: what was answered is found, by every process, and is never asked for again."""

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from srft_assets.critic.ledger import Ledger
from srft_assets.home import Home
from tests.critic.ledger_support import key_of, reply

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def keys(*numbers: int) -> list[str]:
    return [key_of(number) for number in numbers]


def test_a_ledger_that_nobody_wrote_to_is_empty(home: Home) -> None:
    with Ledger(home) as ledger:
        assert ledger.find([key_of(1)]) == {}


def test_what_was_kept_is_found_as_it_was(home: Home) -> None:
    hostile = [
        reply(1, content="a\ud800\x00\x1b[31m\n", about="../\ud800", model="\x00"),
        reply(2, content=None, refusal="\r\n"),
        reply(3, seconds=0.1 + 0.2, prompt_tokens=2**62, finish_reason=None, batch="b"),
    ]
    with Ledger(home) as ledger:
        assert [ledger.keep(each) for each in hostile] == hostile
        assert ledger.find(keys(1, 9)).keys() == {key_of(1)}
    with Ledger(home) as ledger:
        assert ledger.find(keys(1, 2, 3, 2, 9)) == {each.key: each for each in hostile}
        assert list(ledger.everything()) == [
            (each, True) for each in sorted(hostile, key=lambda one: one.key)
        ]


def test_answers_of_others_appear(home: Home) -> None:
    with Ledger(home) as mine, Ledger(home) as other:
        mine.keep(reply(1))
        assert other.find(keys(1, 2)).keys() == {key_of(1)}
        other.keep(reply(2))
        assert mine.find(keys(1, 2)).keys() == set(keys(1, 2))


def test_the_first_answer_stands(home: Home) -> None:
    with Ledger(home) as ledger:
        ledger.keep(reply(1, content="first"))
        assert ledger.keep(reply(1, content="later")).content == "first"
        assert ledger.find([key_of(1)])[key_of(1)].content == "first"


def test_a_wrong_key_is_refused(home: Home) -> None:
    with Ledger(home) as ledger, pytest.raises(ValueError, match="not the key"):
        ledger.keep(reply(1, key="../up"))


def test_threads_share_a_ledger(home: Home) -> None:
    with Ledger(home) as ledger:

        def work(first: int) -> None:
            for number in range(first, first + 20):
                ledger.keep(reply(number))
                assert ledger.find([key_of(number)])

        with ThreadPoolExecutor() as pool:
            list(pool.map(work, range(0, 160, 20)))
        assert len(ledger.find(keys(*range(160)))) == 160


WRITER = """
import sys, threading
from pathlib import Path
from srft_assets.critic.ledger import Ledger
from srft_assets.home import Home
from tests.critic.ledger_support import reply

ledger, first = Ledger(Home(Path(sys.argv[1]))), int(sys.argv[2])
said = threading.Lock()

def work(first):
    for number in range(first, first + 100_000):
        ledger.keep(reply(number, content="x" * (number % 7000)))
        with said:
            print(number, flush=True)

for thread in range(2):
    threading.Thread(target=work, args=(first + thread * 100_000,)).start()
"""


def test_writers_killed_at_any_moment_lose_nothing_that_they_were_told_is_kept(home: Home) -> None:
    chance = random.Random(0)
    told: set[str] = set()
    for turn in range(3):
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(home.root), str(first)],
                cwd=CHECKOUT,
                stdout=subprocess.PIPE,
                text=True,
            )
            for first in range(turn * 10**6, turn * 10**6 + 400_000, 200_000)
        ]
        for writer in writers:
            assert writer.stdout
            told.add(writer.stdout.readline())
        time.sleep(chance.uniform(0.05, 0.3))
        for writer in writers:
            os.kill(writer.pid, signal.SIGKILL)
            assert writer.stdout
            told |= {line for line in writer.stdout.read().splitlines(True) if line.endswith("\n")}
            writer.wait()
        kept = {key_of(int(number)) for number in told}
        with Ledger(home) as ledger:
            assert ledger.find(kept).keys() == kept
            assert all(sound for _, sound in ledger.everything())
