"""The same runs, written to the schema of every format that can hold them, give the same steps;
these were counted by hand in played.py.
"""

import pytest

from srft_assets.trajectories.formats import read_runs
from tests.trajectories.played import COUNTED, LACKS, RUNS, STATES_CODES, WRITERS

CASES = [(form, run) for form in WRITERS for run in RUNS if run not in LACKS.get(form, ())]


@pytest.mark.parametrize(("form", "name"), CASES, ids=" ".join)
def test_steps_are_those_that_were_counted_by_hand(form: str, name: str):
    turns = RUNS[name]
    (run,) = read_runs(WRITERS[form](turns), source="x.json")
    commands = [[one.command for one in step.actions] for step in run.steps]
    answers = [step.observations for step in run.steps]
    assert run.format == form
    assert (len(run.steps), sum(map(len, commands)), sum(map(len, answers))) == COUNTED[name]
    assert commands == [[told for _, told in turn.calls] for turn in turns]
    assert [step.thought for step in run.steps] == [turn.said for turn in turns]
    for turn, step in zip(turns, run.steps, strict=True):
        told = [text for _, text, _ in turn.answers] + [turn.reply] * bool(turn.reply)
        assert all(text in shown for text, shown in zip(told, step.observations, strict=True))
        if form in STATES_CODES:
            stated = step.return_codes[: len(turn.answers)]
            assert [code or 0 for code in stated] == [code for _, _, code in turn.answers]


@pytest.mark.parametrize("form", WRITERS)
def test_at_least_five_runs_of_a_format_are_counted(form: str):
    assert len(RUNS.keys() - LACKS.get(form, set())) >= 5


@pytest.mark.parametrize("form", sorted(WRITERS.keys() - {"sharegpt", "r2e-gym", "langchain"}))
def test_thoughts_stand_beside_what_was_said(form: str):
    (run,) = read_runs(WRITERS[form](RUNS["thoughts"]), source="x.json")
    spoken = [m for m in run.messages if m["role"] == "assistant"]
    thoughts = [m.get("reasoning_content") for m in spoken]
    expected = [turn.thought for turn in RUNS["thoughts"]]
    assert thoughts == (expected if form != "agent-data-protocol" else [None, None])
