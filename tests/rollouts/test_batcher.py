"""Agents in threads share batches, and none waits for ever."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from srft_assets.errors import SrftError
from srft_assets.rollouts.batcher import Batcher
from srft_assets.rollouts.generator import Answer, Prompt

NAMES = ["a", "b", "c", "d"]


def echo(prompts):
    return [Answer(prompt.name, tuple(prompt.token_ids), True) for prompt in prompts]


def play(batcher, name, turns):
    said = []
    try:
        for turn in range(turns):
            said.append(batcher.ask(Prompt(name, [turn])))
    finally:
        batcher.leave(name)
    return said


def test_each_gets_its_own_answer_and_batches_are_the_same_each_time():
    for _ in range(20):
        batches = []

        def answer(prompts, batches=batches):
            batches.append([prompt.name for prompt in prompts])
            return echo(prompts)

        batcher = Batcher(answer, NAMES)
        with ThreadPoolExecutor(4) as pool:
            plays = [
                pool.submit(play, batcher, name, turns) for turns, name in enumerate(NAMES, start=1)
            ]
            for turns, (name, done) in enumerate(zip(NAMES, plays, strict=True), start=1):
                assert [answer.text for answer in done.result()] == [name] * turns
        assert batches == [["a", "b", "c", "d"], ["b", "c", "d"], ["c", "d"], ["d"]]


def test_a_failed_generation_reaches_every_agent():
    def fail(prompts):
        raise MemoryError("no room")

    batcher = Batcher(fail, NAMES)
    with ThreadPoolExecutor(4) as pool:
        plays = [pool.submit(play, batcher, name, 1) for name in NAMES]
        for done in plays:
            with pytest.raises(MemoryError, match="no room"):
                done.result(timeout=10)


def test_the_worker_ends_with_the_last_agent():
    before = threading.active_count()
    batcher = Batcher(echo, ["a"])
    assert len(play(batcher, "a", 2)) == 2
    batcher.worker.join(timeout=10)
    assert threading.active_count() == before


def test_a_stranger_is_refused():
    batcher = Batcher(echo, ["a"])
    with pytest.raises(SrftError, match="does not play"):
        batcher.ask(Prompt("b", [1]))
    batcher.leave("a")
