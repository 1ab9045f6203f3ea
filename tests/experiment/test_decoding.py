"""Lanes say what the platform's generator says, and read nothing twice."""

import pytest

from srft_assets.experiment.decoding import LaneGenerator
from srft_assets.rollouts.checkpoint import load_checkpoint
from srft_assets.rollouts.generator import Generator, Prompt
from srft_assets.rollouts.prompt import prompt_ids

NAMES = ("a", "b", "c", "d")


def chats(turns):
    """Chats of different lengths, each the beginning of what it is with more turns."""
    for place, name in enumerate(NAMES):
        chat = [{"role": "user", "content": "Tests of shop.py fail. " * (1 + 3 * place)}]
        for turn in range(turns):
            chat += [
                {"role": "assistant", "content": f"cat shop.py {turn}"},
                {"role": "user", "content": f"def total(price):\n    return {place}\n" * 4},
            ]
        yield name, chat


def prompts(tokenizer, turns):
    return [Prompt(name, prompt_ids(chat, tokenizer)) for name, chat in chats(turns)]


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_answers_are_those_of_the_generator_turn_after_turn(data, temperature):
    lanes = LaneGenerator(load_checkpoint(data.base), 24, temperature, seed=3)
    generator = Generator(load_checkpoint(data.base), 24, temperature, seed=3)
    for turns in range(4):
        asked = prompts(generator.checkpoint.tokenizer, turns)
        assert lanes.answer(asked) == generator.answer(asked)


def test_what_was_read_is_not_read_again(data, monkeypatch):
    lanes = LaneGenerator(load_checkpoint(data.base), 8)
    read = []
    whole = lanes._read
    monkeypatch.setattr(
        lanes, "_read", lambda lane, new: (read.append(sum(map(len, new))), whole(lane, new))[1]
    )
    asked = prompts(lanes.checkpoint.tokenizer, 3)
    lanes.answer(asked)
    first, read[:] = read[0], []
    lanes.answer(asked)
    assert first == sum(len(one.token_ids) for one in asked)
    assert read[0] == len(asked)
    lanes.forget("a")
    read.clear()
    lanes.answer(asked[:1])
    assert read[0] == len(asked[0].token_ids)


def test_a_chat_may_change_its_past(data):
    """Then what differs is forgotten."""
    checkpoint = load_checkpoint(data.base)
    lanes = LaneGenerator(checkpoint, 12)
    fresh = Generator(load_checkpoint(data.base), 12)
    tokenizer = checkpoint.tokenizer
    lanes.answer(prompts(tokenizer, 3))
    again = [
        Prompt(one.name, [*one.token_ids[:20], *one.token_ids[30:]])
        for one in prompts(tokenizer, 3)
    ]
    assert lanes.answer(again) == fresh.answer(again)
