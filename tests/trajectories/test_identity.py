"""The identity of runs."""

import re

import orjson
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.trajectories.model import trajectory_id

messages = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["system", "user", "assistant", "tool"]),
            "content": st.none() | st.text(max_size=20),
        }
    ),
    min_size=1,
    max_size=8,
)


@given(messages)
def test_the_id_is_stable_under_reserialisation(chat):
    again = orjson.loads(orjson.dumps([dict(reversed(m.items())) for m in chat]))
    assert trajectory_id("a__b-1", None, chat) == trajectory_id("a__b-1", None, again)


@given(st.text(), messages)
def test_the_id_is_safe_as_a_file_name(instance_id, chat):
    made = trajectory_id(instance_id, None, chat)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,100}\.[0-9a-f]{12}", made)


def test_a_stated_id_counts_with_its_instance():
    chat = [{"role": "assistant", "content": "x"}]
    first = trajectory_id("a", "run_1", chat, "openhands")
    assert first == trajectory_id("a", "run_1", [], "openhands")
    assert first != trajectory_id("b", "run_1", chat, "openhands")
    assert first != trajectory_id("a", "run_2", chat, "openhands")
