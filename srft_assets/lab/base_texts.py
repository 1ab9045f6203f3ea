"""Texts for tokenizer and pretraining, and their packing into rows of one length."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from srft_assets.agent.prompts import SUBMIT
from srft_assets.lab.base_drills import Text, drill
from srft_assets.lab.base_explore import explore, mended
from srft_assets.lab.base_settings import BaseSettings
from srft_assets.lab.base_tokenizer import END, START
from srft_assets.lab.tasks import generate_tasks
from srft_assets.lab.teacher import Rates
from srft_assets.lab.transcripts import teacher_messages
from srft_assets.trajectories.model import Message

RATES = Rates(
    needless=0.1,
    wrong_edit=0.42,
    wrong_again=0.6,
    near=0.6,
    wrong_place=0.06,
    untested=0.2,
    give_up=0.09,
)
"""Of the runs behind the tokenizer. Stated here with their step limit, so that other rates of the
experiment's teacher leave the base model as it is."""

STEP_LIMIT = 12

IGNORED = -100
"""Label of a token without loss."""

Row = tuple[list[int], list[int]]
"""Token ids and labels, of one length."""


def exploring_chats(settings: BaseSettings, rng: Random) -> list[list[Message]]:
    """One chat a task; every third repository is shown without its bugs."""
    tasks = generate_tasks(settings.tasks, settings.task_seed)
    return [
        explore(mended(task) if place % 3 == 0 else task, rng, rng.randint(2, 5))
        for place, task in enumerate(tasks)
    ]


def tokenizer_texts(
    settings: BaseSettings, chats: Sequence[Sequence[Message]], rng: Random
) -> Iterator[str]:
    """What the tokenizer learns its pieces from; teacher runs are among it, for their commands."""
    runs = teacher_messages(max(1, settings.tasks // 2), settings.task_seed + 1, RATES, STEP_LIMIT)
    for messages in [*chats, *runs]:
        for message in messages:
            yield message["role"]
            yield message["content"]
    for _ in range(2 * settings.tasks):
        yield "".join(piece for piece, _ in drill(rng)).replace(START, "").replace(END, "")
        yield SUBMIT


def chat_text(messages: Sequence[Message]) -> Text:
    """A chat as the chat template writes it; the assistant's turns bear loss."""
    text: Text = []
    for message in messages:
        head, body = f"{START}{message['role']}\n", f"{message['content']}{END}"
        text += [(head, False), (body, message["role"] == "assistant"), ("\n", False)]
    return text


def packed_rows(
    settings: BaseSettings, tokenizer: Any, chats: Sequence[Sequence[Message]], rng: Random
) -> Iterator[Row]:
    """Rows of `row_tokens` tokens without end: drills and chats one after the other.

    The last text of a row is cut. Texts of a row see one another, which teaches the model to
    trust the latest table.
    """
    known = [_encode(chat_text(messages), tokenizer) for messages in chats]
    width = settings.row_tokens
    while True:
        ids: list[int] = []
        labels: list[int] = []
        while len(ids) < width:
            told = rng.random() < settings.explore
            more = rng.choice(known) if told else _encode(drill(rng), tokenizer)
            ids += more[0]
            labels += more[1]
        yield ids[:width], labels[:width]


def _encode(text: Text, tokenizer: Any) -> Row:
    ids: list[int] = []
    labels: list[int] = []
    for piece, bears_loss in text:
        new = tokenizer.encode(piece, add_special_tokens=False)
        ids += new
        labels += new if bears_loss else [IGNORED] * len(new)
    return ids, labels
