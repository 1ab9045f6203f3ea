"""How data sets and tools write what their format allows, beside its plain form."""

import pytest

from srft_assets.trajectories.formats import read_runs
from srft_assets.trajectories.model import RecordError
from tests.trajectories import sessions as s


def only(record, source="x.json"):
    (run,) = read_runs(record, source=source)
    return run


def test_conversations_in_the_form_of_openai_keep_calls_and_parts():
    parts = [{"role": "assistant", "content": [s.said("Done.")]}]
    run = only({"id": "i", "conversations": [*s.CHAT[:3], *parts], "tools": ""})
    assert run.format == "sharegpt"
    assert run.messages == [*s.CHAT[:3], *parts]
    assert [[one.command for one in step.actions] for step in run.steps] == [["cat b.py"], []]
    assert run.steps[0].observations == ["y = 1"]


def test_a_turn_of_sharegpt_that_is_no_text_is_refused():
    told = [{"from": "human", "value": "a"}, {"from": "gpt", "value": [s.said("b")]}]
    with pytest.raises(RecordError, match=r"'conversations\[1\].value' is a list; expected text"):
        only({"id": "i", "conversations": told})
