"""Many calls that end early: by cancelling, a budget, a failing source or ledger, or a signal."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from srft_assets.critic.budget import Budget
from srft_assets.critic.calls import Reply, Request
from srft_assets.critic.client import estimate
from srft_assets.critic.failures import BudgetSpentError
from srft_assets.critic.ledger import Ledger
from srft_assets.critic.spending import budget_of
from srft_assets.home import Home
from tests.critic.calls import Asked, ask_many, asking_many, endpoint, request, requests
from tests.critic.faults import failing
from tests.critic.server import ROOT, Server, serving


def test_an_error_of_the_ledger_ends_everything(home: Home) -> None:
    class Full(Ledger):
        def keep(self, reply: Reply) -> Reply:
            raise OSError(28, "No space left on device")

    with serving(delay=0.05) as server:
        with pytest.raises(OSError, match="No space left"):
            ask_many(server.base_url, requests(100), Asked(Full(home)), concurrency=4)
        assert server.calls.total() <= 8


async def cancelled(server: Server, asked: Asked) -> None:
    task = asyncio.create_task(asking_many(server.base_url, requests(50), asked, concurrency=4))
    while len(asked.over) < 4:
        await asyncio.sleep(0.01)
    server.delay = 60
    await asyncio.sleep(0.1)
    task.cancel()
    async with asyncio.timeout(30):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(asyncio.all_tasks()) == 1, "no task is left behind"


def test_cancelling_ends_the_calls_and_keeps_the_answers(asked: Asked) -> None:
    with serving(delay=0.05) as server:
        asyncio.run(cancelled(server, asked))
        assert 4 <= len(asked.kept) == server.answered.total()


def test_answers_that_came_while_the_process_was_busy_are_kept(asked: Asked) -> None:
    async def go(server: Server) -> None:
        task = asyncio.create_task(asking_many(server.base_url, requests(50), asked, concurrency=4))
        while len(asked.over) < 4:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        time.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with serving(delay=0.3) as server:
        asyncio.run(go(server))
        assert len(asked.kept) == server.answered.total() > 4


def test_a_budget_of_calls_ends_the_run_and_the_next_goes_on(asked: Asked) -> None:
    with serving(delay=0.01) as server:
        with pytest.raises(
            BudgetSpentError,
            match=r"^budget of this run: 12 calls are spent: 12 answered; run again to go on",
        ):
            ask_many(server.base_url, requests(30), asked, budget=Budget(max_calls=12))
        assert len(asked.kept) == len(asked.over) == server.answered.total() == 12
        ask_many(server.base_url, requests(30), asked, budget=Budget(max_calls=18))
        assert len(asked.kept) == 30 and set(server.answered.values()) == {1}


def test_calls_without_an_answer_cost_nothing(asked: Asked) -> None:
    with serving(*[failing(400)] * 5) as server:
        ask_many(server.base_url, requests(15), asked, budget=Budget(max_calls=10))
    assert len(asked.kept) == 10


def test_a_budget_of_tokens_is_not_passed(asked: Asked) -> None:
    body = request().body
    assert estimate({**body, "max_tokens": 50}, 1000) == 334 + 50
    budget = Budget(max_tokens=3000)
    with serving() as server, pytest.raises(BudgetSpentError, match="of 3,000 tokens are spent"):
        many = [request(number, text="word " * 200, max_tokens=64) for number in range(200)]
        ask_many(server.base_url, many, asked, budget=budget)
    used = sum(reply.prompt_tokens + reply.completion_tokens for reply in asked.kept)
    assert used == budget.tokens <= 3000
    assert used > 3000 - 2 * estimate(many[0].body, 2000), "and nearly all of it is used"


def test_a_source_that_fails_ends_it_after_what_was_asked(asked: Asked) -> None:
    def broken() -> Iterator[Request]:
        yield from requests(3)
        raise ValueError("no such variable")

    with serving(delay=0.5) as server, pytest.raises(ValueError, match="no such variable"):
        ask_many(server.base_url, broken(), asked)
    assert len(asked.over) == len(asked.kept) == 3


def test_partitions_of_one_run_share_a_budget() -> None:
    limited = endpoint(max_calls=5)
    assert budget_of("run", limited) is budget_of("run", endpoint(max_calls=5))
    assert budget_of("run", limited) is not budget_of("another run", limited)


def test_threads_share_a_budget_and_a_ledger(asked: Asked) -> None:
    budget = Budget(max_calls=20)
    spent = []

    def partition(number: int, url: str) -> None:
        own = [request(number * 100 + each) for each in range(10)]
        try:
            ask_many(url, own, Asked(asked.ledger), budget=budget)
        except BudgetSpentError as error:
            spent.append(error)

    with serving(delay=0.01) as server:
        with ThreadPoolExecutor() as pool:
            list(pool.map(partition, range(3), [server.base_url] * 3))
        assert server.answered.total() == len(asked.kept) == 20
    assert spent


ASKING = """
import sys
from pathlib import Path
from srft_assets.critic.ledger import Ledger
from srft_assets.home import Home
from tests.critic.calls import Asked, ask_many, request
many = (request(number) for number in range(200))
try:
    ask_many(sys.argv[1], many, Asked(Ledger(Home(Path(sys.argv[2])))))
except KeyboardInterrupt:
    sys.exit("interrupted")
"""


def test_an_interrupted_process_keeps_every_answer_that_was_paid_for(tmp_path: Path) -> None:
    with serving(delay=0.3) as server:
        command = [sys.executable, "-c", ASKING, server.base_url, str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
            while len(server.answered) < 12:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate()
        assert (process.returncode, told) == (1, "interrupted\n")
        kept = Asked(Ledger(Home(tmp_path))).kept
        assert sorted(reply.key for reply in kept) == sorted(server.answered.elements())
        assert len(server.answered) < 200


def test_a_killed_process_is_not_paid_for_what_it_left(tmp_path: Path) -> None:
    with serving(delay=60) as server:
        command = [sys.executable, "-c", ASKING, server.base_url, str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT) as process:
            while server.open < 8:
                time.sleep(0.01)
            process.kill()
        while server.open:
            time.sleep(0.01)
        assert server.calls.total() == 8 and not server.answered
