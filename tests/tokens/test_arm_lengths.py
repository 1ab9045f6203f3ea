"""Runs that are longer than a model is trained with: cut, dropped, split."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from srft_assets.tokens.arm import ArmSpec, TrainingSpec
from srft_assets.tokens.lengths import Lengths, cut, windows
from srft_assets.tokens.token_labels import MaskedRow, RunRefusedError, Span

TURN = st.tuples(st.integers(1, 9), st.integers(0, 6), st.booleans())
"""Tokens of a turn, of the context before it, and whether it is trained."""


@st.composite
def rows(draw: st.DrawFn) -> MaskedRow:
    """A row whose token ids tell where they were."""
    place = draw(st.integers(0, 8))
    spans = []
    for step, (turn, context, trained) in enumerate(draw(st.lists(TURN, min_size=1, max_size=12))):
        start = place + (context if step else 0)
        spans.append(Span(step, start, start + turn, trained, "good", 0.5 if trained else None))
        place = start + turn
    ids = np.arange(place + draw(st.integers(0, 3)), dtype=np.int32)
    asked = tuple(span.start for span in spans)
    return MaskedRow("run.1", "run", "unresolved", ids, tuple(spans), asked=asked)


def row_of(*lengths: int, prompt: int = 3) -> MaskedRow:
    """Turns of these lengths after one another, all trained."""
    ends = prompt + np.cumsum(lengths)
    spans = tuple(
        Span(n, int(end) - size, int(end), True)
        for n, (size, end) in enumerate(zip(lengths, ends, strict=True))
    )
    ids, asked = np.arange(ends[-1], dtype=np.int32), tuple(span.start for span in spans)
    return MaskedRow("run.1", "run", "timeout", ids, spans, asked=asked)


def arm(too_long: str, limit: int) -> ArmSpec:
    return ArmSpec(name="x", too_long=too_long, training=TrainingSpec(max_length=limit))


@given(rows(), st.integers(1, 90), st.integers(0, 5))
def test_windows_train_each_step_once_and_its_own_tokens(row, limit, overlap) -> None:
    head = row.spans[0].start
    fitting = [s.step_index for s in row.spans if head + s.end - s.start <= limit]
    if not fitting:
        with pytest.raises(RunRefusedError, match="left out"):
            windows(row, limit, overlap)
        return
    found = windows(row, limit, overlap)
    assert [part.part for part in found] == list(range(len(found)))
    assert [s.step_index for part in found for s in part.spans] == fitting
    for part in found:
        assert part.n_tokens <= limit
        assert part.input_ids.dtype == np.int32
        assert part.input_ids[:head].tolist() == list(range(head))
        for span in part.spans:
            before = row.spans[span.step_index]
            assert part.input_ids[span.start : span.end].tolist() == list(
                range(before.start, before.end)
            )
            assert (span.trained, span.label, span.weight) == (
                before.trained,
                before.label,
                before.weight,
            )


@given(rows(), st.integers(1, 90), st.integers(0, 5))
def test_a_window_is_the_prompt_and_one_stretch_of_whole_steps(row, limit, overlap) -> None:
    try:
        found = windows(row, limit, overlap)
    except RunRefusedError:
        assume(False)
    starts = {span.start for span in row.spans}
    assert found
    for part in found:
        stretch = part.input_ids[row.spans[0].start :]
        assert int(stretch[0]) in starts
        assert np.diff(stretch).tolist() == [1] * (len(stretch) - 1)
        shown = sum(span.start >= stretch[0] for span in row.spans[: part.spans[0].step_index])
        assert shown <= overlap


def test_the_context_gives_way_to_a_step_that_would_not_fit() -> None:
    found = windows(row_of(2, 2, 2, 6, 2), limit=11, overlap=2)
    assert [[span.step_index for span in part.spans] for part in found] == [[0, 1, 2], [3], [4]]
    assert [part.n_tokens for part in found] == [9, 11, 11]


@given(rows(), st.integers(1, 90))
def test_a_cut_row_is_the_head_of_the_row(row, limit) -> None:
    try:
        short = cut(row, limit)
    except RunRefusedError:
        assert row.spans[0].end > limit
        return
    assert short.n_tokens <= limit
    assert short.input_ids.tolist() == list(range(short.n_tokens))
    assert short.spans == row.spans[: len(short.spans)]
    assert short.n_tokens == short.spans[-1].end
    left = row.spans[len(short.spans) :]
    assert not left or left[0].end > limit


@pytest.mark.parametrize("too_long", ["refuse", "cut", "drop", "windows"])
def test_a_row_that_fits_stays_as_it_is(too_long: str) -> None:
    row = row_of(4, 4)
    assert Lengths(arm(too_long, 11)).fit(row) == [row]


def test_what_long_runs_become_is_counted() -> None:
    row = row_of(4, 4, 4)
    found = {policy: Lengths(arm(policy, 11)) for policy in ("refuse", "cut", "drop", "windows")}
    assert {policy: len(lengths.fit(row)) for policy, lengths in found.items()} == {
        "refuse": 1,
        "cut": 1,
        "drop": 0,
        "windows": 2,
    }
    assert {policy: lengths.figures for policy, lengths in found.items()} == {
        "refuse": {},
        "cut": {"runs_cut": 1, "steps_cut_off": 1},
        "drop": {"runs_too_long": 1},
        "windows": {"runs_split": 1, "steps_too_long": 0},
    }


@pytest.mark.parametrize("policy", ["cut", "windows"])
def test_a_run_of_which_nothing_fits_is_refused(policy: str) -> None:
    said = "left out: up to 7 tokens with the prompt, but training.max_length is 5: raise it"
    with pytest.raises(RunRefusedError, match=said):
        Lengths(arm(policy, 5)).fit(row_of(4, 4))


def test_a_step_that_fits_no_window_is_named_and_the_others_are_trained() -> None:
    lengths = Lengths(arm("windows", 8))
    found = lengths.fit(row_of(2, 9, 2))
    assert [[span.step_index for span in part.spans] for part in found] == [[0], [2]]
    ((run, reason),) = lengths.lost
    assert (run, reason.split(":")[0]) == ("run.1", "step 1 left out")
    assert lengths.figures == {"runs_split": 1, "steps_too_long": 1}
