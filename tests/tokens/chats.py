"""Conversations to try masks on, and what must hold of every masked row."""

import json

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from srft_assets.tokens.token_labels import IGNORED, MaskedRow
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Message, Trajectory
from tests.tokens.conftest import SPECIAL

QUICK = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
ODD = ["\n\n", " ", "é", "e\u0301", "👩\u200d🚀", "\u202e", "\x1b[31m", "\ufdd0"]
SNIPPETS = [*SPECIAL, "<|im_", "|>", *ODD]
WORDS = st.lists(st.one_of(st.sampled_from(SNIPPETS), st.text(max_size=8)), max_size=6)
TEXT = WORDS.map("".join)
UNSPECIAL = TEXT.filter(lambda text: not any(token in text for token in SPECIAL))


@st.composite
def chats(draw: st.DrawFn, text: st.SearchStrategy[str]) -> list[Message]:
    """system?, user, assistant, user, …, assistant."""
    chat = [{"role": "system", "content": draw(text)}] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 4))):
        chat.append({"role": "user", "content": draw(text)})
        chat.append({"role": "assistant", "content": draw(text)})
    return chat


@st.composite
def tool_chats(draw: st.DrawFn) -> list[Message]:
    """Turns with any number of tool calls and results, also several assistant turns in a row."""
    chat: list[Message] = [{"role": "user", "content": draw(TEXT)}]
    for number in range(draw(st.integers(1, 5))):
        arguments = st.dictionaries(TEXT, TEXT, max_size=2).map(json.dumps)
        calls = draw(st.lists(st.tuples(TEXT, arguments), max_size=3))
        functions = [{"name": name, "arguments": given} for name, given in calls]
        chat.append(
            {
                "role": "assistant",
                "content": draw(st.one_of(st.none(), TEXT)),
                "tool_calls": [
                    {"id": f"call{number}", "type": "function", "function": f} for f in functions
                ],
            }
        )
        for _ in range(draw(st.integers(0, 2))):
            chat.append({"role": "tool", "tool_call_id": f"call{number}", "content": draw(TEXT)})
    return chat


def decoded(row: MaskedRow, tokenizer: ChatTokenizer) -> list[str]:
    """Text of each span."""
    spans = [row.input_ids[span.start : span.end].tolist() for span in row.spans]
    return [tokenizer.backend.decode(ids, skip_special_tokens=False) for ids in spans]


def assert_sound(row: MaskedRow, run: Trajectory, keep: dict[int, bool]) -> None:
    """Spans are one for each step, in order, apart; labels are the ids inside trained ones."""
    assert [span.step_index for span in row.spans] == list(range(len(run.steps)))
    assert {span.step_index: span.trained for span in row.spans} == keep
    borders = [border for span in row.spans for border in (span.start, span.end)]
    assert borders == sorted(borders)
    labels = row.labels()
    trained = {at for s in row.spans if s.trained for at in range(s.start, s.end)}
    for at, (label, token) in enumerate(zip(labels, row.input_ids, strict=True)):
        assert label == (token if at in trained else IGNORED)
    assert row.n_trained == len(trained)
    assert row.n_tokens == len(row.input_ids)


def assert_says(text: str, expected: str) -> None:
    """The trained text is the turn's; white space may have melted into the token before it."""
    assert expected.endswith(text)
    missing = expected.removesuffix(text)
    assert not missing or missing.isspace()
