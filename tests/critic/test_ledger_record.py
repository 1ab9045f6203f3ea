"""A reply is one line: whole, checked, and found by its key."""

from dataclasses import fields

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.critic.call import Reply
from srft_assets.critic.ledger.record import (
    ANSWER_CHARS,
    NAME_CHARS,
    TORN,
    decode,
    encode,
    fault,
    key_of,
)
from srft_assets.warehouse.ledger_schema import LEDGER
from tests.critic.ledger_support import reply

TEXTS = st.text(st.characters(), max_size=200)
"""Control characters and lone surrogates among them."""
COUNTS = st.integers(0, 2**63 - 1)
REPLIES = st.builds(
    Reply,
    key=st.text("0123456789abcdef", min_size=64, max_size=64),
    content=st.none() | TEXTS,
    refusal=st.none() | TEXTS,
    finish_reason=st.none() | TEXTS,
    model=TEXTS,
    prompt_tokens=COUNTS,
    completion_tokens=COUNTS,
    cached_tokens=COUNTS,
    seconds=st.floats(0, 1e9),
    retries=COUNTS,
    at=TEXTS,
    critic=TEXTS,
    about=TEXTS,
)


@given(REPLIES)
def test_every_reply_comes_back_as_it_was(made: Reply) -> None:
    line = encode(made)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert fault(line) is None
    assert key_of(line).decode() == made.key
    assert decode(line).reply == made


@given(REPLIES, st.data())
def test_no_change_of_a_line_goes_unseen(made: Reply, data: st.DataObject) -> None:
    line = bytearray(encode(made))
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] ^= data.draw(st.integers(1, 255))
    assert fault(bytes(line)) is not None


@given(REPLIES, st.data())
def test_a_line_without_its_end_is_torn(made: Reply, data: st.DataObject) -> None:
    line = encode(made)
    assert fault(line[: data.draw(st.integers(0, len(line) - 1))]) == TORN


def test_a_line_is_json_that_other_programs_read() -> None:
    row = orjson.loads(encode(reply(1, content="a\ud800b\x00\x1b[31m\n")))
    assert row["content"] == "a\ufffdb\x00\x1b[31m\n"
    assert list(row)[:2] == ["key", "digest"]
    assert row["critic"] == "default"


def test_the_columns_of_the_catalogue_are_those_of_a_reply() -> None:
    assert {field.name for field in fields(Reply)} | {"digest", "exact"} == set(LEDGER)


@pytest.mark.parametrize("key", ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64, "0" * 63 + "\n"])
def test_a_reply_without_a_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="not the key of a request"):
        encode(reply(1, key=key))


def test_an_answer_longer_than_any_sound_one_is_cut_to_what_duckdb_reads() -> None:
    """The longest line: every character is one that JSON holds in the longest way."""
    text = "\ud800" * (ANSWER_CHARS + 5)
    line = encode(reply(1, content=text, refusal=text, model=text))
    assert len(line) < 16 * 2**20
    found = decode(line).reply
    assert found.content == text[:ANSWER_CHARS]
    assert found.model == text[:NAME_CHARS]


def test_a_line_of_an_earlier_version_is_read() -> None:
    """A field that did not exist then takes its default; one that is gone is passed over."""
    row = orjson.loads(encode(reply(1)))
    del row["cached_tokens"]
    found = decode(orjson.dumps({**row, "gone": 1})).reply
    assert found == reply(1, cached_tokens=0)
