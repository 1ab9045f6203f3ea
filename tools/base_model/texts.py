"""What the base model is trained on: recall drills, and chats that explore but mend nothing.

A drill shows a table and then looks its rows up in random order; only the answers bear loss.
(Look-up is learnt so in a minute; from transcripts alone it is not learnt at all, because so few
of their tokens depend on it.) Names, arguments and operators are drawn independently, so that
nothing but the table tells the answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from srft_assets.agent.protocol import SUBMIT, turn
from srft_assets.lab.tasks import CONSTANTS, MODULES, OPERATORS, generate_tasks
from srft_assets.lab.teacher import Rates
from srft_assets.trajectories.model import Message
from tools.base_model.chats import explore, mended, teacher_messages
from tools.base_model.model import BaseSettings
from tools.base_model.tokenizer import END, START

Text = list[tuple[str, bool]]
"""Pieces of a text in order, each with whether it bears loss."""

ROWS = 8
"""Rows of a drill's table at most."""

EDITS = 0.5
"""Share of edits among the drills whose table says what tests ask for."""


@dataclass(frozen=True, slots=True)
class Row:
    """A function with the expression it has and the one it should have."""

    name: str
    arguments: tuple[str, ...]
    has: str
    wants: str

    @property
    def source(self) -> str:
        """As in a module."""
        return f"def {self.name}({', '.join(self.arguments)}):\n    return {self.has}\n"


def draw_rows(rng: Random) -> list[Row]:
    """A table; no name and no first argument occurs twice."""
    names = sorted({name.function for lot in MODULES.values() for name in lot})
    words = sorted({word for lot in MODULES.values() for name in lot for word in name.arguments})
    count = rng.randint(3, ROWS)
    words = rng.sample(words, 2 * count)
    return [
        _row(name, words[2 * place], words[2 * place + 1], rng)
        for place, name in enumerate(rng.sample(names, count))
    ]


def _row(name: str, first: str, second: str, rng: Random) -> Row:
    operators = OPERATORS[rng.choice(("number", "truth"))]
    alone = rng.random() < 0.25
    right = str(rng.choice(CONSTANTS)) if alone else second
    has, wants = rng.sample(operators, 2)
    arguments = (first,) if alone else (first, second)
    return Row(name, arguments, f"{first} {has} {right}", f"{first} {wants} {right}")


def drill(rng: Random) -> Text:
    """One table and look-ups in it, in the dress of an observation and of turns that answer it.

    The table is a module, what its tests ask for, or both; the look-ups are a list of all rows,
    or, where the tests are shown, edits of some.
    """
    rows, module = draw_rows(rng), rng.choice(sorted(MODULES))
    code, told = rng.choice(((True, False), (False, True), (True, True)))
    table = "\n\n".join(row.source for row in rows) if code else ""
    if told:
        table += "".join(_failure(row, rng) for row in rng.sample(rows, len(rows)))
    asked: Text = [(f"{START}user\n{module}.py\n<output>\n{table}</output>{END}\n", False)]
    rows = rng.sample(rows, len(rows))
    if told and rng.random() < EDITS:
        return asked + [piece for row in rows[:3] for piece in _edit(row, module)]
    return asked + _list(rows, told)


def _failure(row: Row, rng: Random) -> str:
    got, want = rng.randint(0, 99), rng.randint(100, 400)
    return f"FAIL {row.name}: {got} != {want} : {row.wants}\n"


def _list(rows: list[Row], told: bool) -> Text:
    text: Text = [(f"{START}assistant\n", False)]
    for row in rows:
        sign, answer = (":", row.wants) if told else (" =", row.has)
        text += [(f"{row.name}{sign}", False), (f" return {answer}\n", True)]
    return [*text, (END, True), ("\n", False)]


def _edit(row: Row, module: str) -> Text:
    """The turn that edits the row, its function given, and an output without words."""
    command = f"sed -i 's|return {row.arguments[0]}.*|return {row.wants}|' {module}.py"
    head, name, rest = turn(f"Fix {row.name}: return {row.wants}", command).partition(row.name)
    silence = f"\n{START}user\n<returncode>0</returncode>\n<output>\n</output>{END}\n"
    return [
        (f"{START}assistant\n{head}{name}", False),
        (f"{rest}{END}", True),
        (silence, False),
    ]


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

Labelled = tuple[list[int], list[int]]
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
) -> Iterator[Labelled]:
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


def _encode(text: Text, tokenizer: Any) -> Labelled:
    ids: list[int] = []
    labels: list[int] = []
    for piece, bears_loss in text:
        new = tokenizer.encode(piece, add_special_tokens=False)
        ids += new
        labels += new if bears_loss else [IGNORED] * len(new)
    return ids, labels
