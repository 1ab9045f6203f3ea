"""What was computed for a chat's beginning is not computed again, and changes no answer."""

from dataclasses import replace
from random import Random
from types import SimpleNamespace

import pytest
from transformers import LlamaConfig, MistralConfig

from srft_assets.rollouts.generator import Generator, Prompt
from srft_assets.rollouts.kept import Beginning, can_keep


class Chats:
    """Chats of different lengths that grow by the model's answers and by words of others."""

    def __init__(self, checkpoint, count: int, seed: int = 0) -> None:
        self.rng = Random(seed)
        self.size = len(checkpoint.tokenizer.hf)
        self.ids = {f"chat {number}": self.words(1, 40) for number in range(count)}

    def words(self, low: int, high: int) -> list[int]:
        return [self.rng.randrange(3, self.size) for _ in range(self.rng.randint(low, high))]

    def prompts(self) -> list[Prompt]:
        return [Prompt(name, list(ids)) for name, ids in self.ids.items()]

    def grow(self, prompts, answers) -> None:
        for prompt, answer in zip(prompts, answers, strict=True):
            self.ids[prompt.name] += [*answer.token_ids, *self.words(1, 20)]


@pytest.fixture
def passed(checkpoint, monkeypatch):
    """How many new tokens each forward pass was given."""
    widths = []
    forward = checkpoint.model.forward

    def counting(*args, **kwargs):
        widths.append(kwargs["input_ids"].shape[1])
        return forward(*args, **kwargs)

    monkeypatch.setattr(checkpoint.model, "forward", counting)
    return widths


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("batch_size", [2, 8])
def test_answers_are_those_without_reuse(checkpoint, temperature, batch_size):
    reusing = Generator(checkpoint, 12, temperature, seed=1, batch_size=batch_size, reuse=True)
    plain = Generator(checkpoint, 12, temperature, seed=1)
    chats = Chats(checkpoint, 5)
    for _ in range(5):
        prompts = chats.prompts()
        wanted = plain.answer(prompts)
        assert reusing.answer(prompts) == wanted
        chats.grow(prompts, wanted)


def test_only_what_is_new_is_computed(checkpoint, passed):
    generator = Generator(checkpoint, 4, reuse=True)
    ids = Chats(checkpoint, 1).words(40, 40)
    [answer] = generator.answer([Prompt("a", ids)])
    assert passed == [40, 1, 1, 1]
    passed.clear()
    generator.answer([Prompt("a", [*ids, *answer.token_ids, 7, 8, 9])])
    # the last token of an answer was never read by the model
    assert passed == [4, 1, 1, 1]


def test_a_chat_that_changed_goes_on_from_where_it_is_still_the_same(checkpoint, passed):
    generator = Generator(checkpoint, 3, reuse=True)
    ids = Chats(checkpoint, 1).words(40, 40)
    generator.answer([Prompt("a", ids)])
    passed.clear()
    changed = [*ids[:30], *reversed(ids[30:])]
    answer = generator.answer([Prompt("a", changed)])
    assert passed[0] == 10
    assert answer == Generator(checkpoint, 3).answer([Prompt("a", changed)])


def test_a_forgotten_chat_is_read_from_its_beginning(checkpoint, passed):
    generator = Generator(checkpoint, 3, reuse=True)
    ids = Chats(checkpoint, 1).words(40, 40)
    generator.answer([Prompt("a", ids)])
    generator.kept.forget("a")
    generator.kept.forget("never seen")
    passed.clear()
    generator.answer([Prompt("a", ids)])
    assert passed[0] == 40


def test_rows_end_at_their_own_stop_token(checkpoint):
    chats = Chats(checkpoint, 6)
    said = Generator(checkpoint, 12).answer(chats.prompts())
    stops = (said[0].token_ids[2], said[3].token_ids[5])
    cut = replace(checkpoint, stops=stops)
    reusing, plain = Generator(cut, 12, reuse=True), Generator(cut, 12)
    lengths = set()
    for _ in range(3):
        prompts = chats.prompts()
        wanted = plain.answer(prompts)
        assert reusing.answer(prompts) == wanted
        chats.grow(prompts, wanted)
        lengths |= {len(answer.token_ids) for answer in wanted}
    assert lengths > {12}


def test_a_model_with_a_sliding_window_is_asked_without_reuse(checkpoint):
    assert can_keep(SimpleNamespace(config=LlamaConfig()))
    assert not can_keep(SimpleNamespace(config=MistralConfig(sliding_window=64)))


@pytest.mark.parametrize(
    ("held", "asked", "shared"),
    [([], [1, 2], 0), ([1, 2, 3], [1, 2, 3], 2), ([1, 2], [1, 2, 3], 2), ([1, 9, 3], [1, 2, 3], 1)],
)
def test_at_least_one_token_is_left_to_ask(held, asked, shared):
    assert Beginning(held).shared(asked) == shared
