"""`srft show`: what a person sees of a run, with and without colour, whatever is in its text."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from srft_assets.critic.verdict import Label, Verdict
from srft_assets.outcomes.status import Status, TestOutcome
from srft_assets.show.run import LINE_CHARS, clip, render_run
from srft_assets.text import visible, visible_lines
from srft_assets.tokens.mask import mask_run
from srft_assets.tokens.token_labels import MaskedRow
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.model import Action, Step, Trajectory

GREEN, RED = "\x1b[32m", "\x1b[31m"
VERDICTS = [
    Verdict(0, Label.GOOD, "it looks first"),
    Verdict(1, Label.MISTAKE, "the edit breaks a test", "broke_tests"),
]


def short_run() -> Trajectory:
    messages = [
        {"role": "user", "content": "Fix add."},
        {"role": "assistant", "content": "I look."},
        {"role": "user", "content": "return a - b"},
        {"role": "assistant", "content": "I break it."},
        {"role": "user", "content": "1 failed"},
    ]
    steps = [
        Step(0, 1, "I look.", [Action("bash", "cat add.py")], ["return a - b"], [0]),
        Step(1, 3, "I break it.", [Action("bash", "false")], ["1 failed"], [1]),
    ]
    return Trajectory("add.0", "add", "mini-swe-agent", "x", messages, steps, model="m")


def shown(renderable: object, width: int = 80, color: bool = False) -> str:
    file = io.StringIO()
    system = "standard" if color else None
    Console(
        file=file, width=width, force_terminal=color, color_system=system, no_color=not color
    ).print(renderable)
    return file.getvalue()


@pytest.fixture(scope="module")
def row(chatml: ChatTokenizer) -> MaskedRow:
    """The second step masked."""
    return mask_run(short_run(), {0: True, 1: False}, chatml)


def test_each_step_stands_beside_its_label_and_reason() -> None:
    outcome = TestOutcome(
        *("add.0", "add", Status.UNRESOLVED), f2p_passed=0, f2p_total=1, p2p_passed=3, p2p_total=4
    )
    lines = shown(render_run(short_run(), VERDICTS, outcome)).splitlines()
    text = "\n".join(lines)
    assert "unresolved  FAIL_TO_PASS 0/1  PASS_TO_PASS 3/4" in text
    assert "2  1 good  1 mistake" in text
    (first,) = [line for line in lines if "it looks first" in line]
    assert first.split()[:2] == ["0", "good"]
    (second,) = [line for line in lines if "the edit breaks a test" in line]
    assert second.split()[:2] == ["1", "mistake"]
    assert "[broke_tests]" in second
    assert lines.index(second) < lines.index(" │ ❯ bash false")
    assert "   exit 1" in lines


def test_trained_and_masked_text_bear_signs_and_counts(row: MaskedRow) -> None:
    lines = shown(render_run(short_run(), VERDICTS, None, [row])).splitlines()
    assert " + I look." in lines
    assert " - I break it." in lines
    assert "   return a - b" in lines
    first, second = row.spans
    assert any(line.rstrip().endswith(f"{first.end - first.start} trained") for line in lines)
    assert any(line.rstrip().endswith(f"{second.end - second.start} masked") for line in lines)
    assert any(f"+ {row.n_trained} trained  - {row.n_masked} masked" in line for line in lines)


def test_trained_and_masked_text_differ_in_colour(row: MaskedRow) -> None:
    text = shown(render_run(short_run(), VERDICTS, None, [row]), color=True)
    assert f"{GREEN}I look." in text
    assert f"{RED}I break it." in text


def test_with_the_tokenizer_the_exact_text_of_the_tokens_is_shown(
    row: MaskedRow, chatml: ChatTokenizer
) -> None:
    lines = shown(render_run(short_run(), VERDICTS, None, [row], chatml)).splitlines()
    assert " + I look.<|im_end|>" in lines
    assert " - I break it.<|im_end|>" in lines


@pytest.mark.parametrize("width", [40, 80, 120])
def test_nothing_is_wider_than_the_terminal(width: int, row: MaskedRow) -> None:
    run = short_run()
    run.steps[0].observations = ["x" * 5_000, "漢字" * 300]
    run.model = "model" * 50
    for line in shown(render_run(run, VERDICTS, None, [row]), width).splitlines():
        assert Console().render_str(line, markup=False).cell_len <= width


@given(st.text(max_size=80))
def test_no_text_reaches_the_terminal_as_anything_but_signs(text: str) -> None:
    run = short_run()
    hostile = f"[bold red]{text}\x1b]0;owned\x07\x1b[2J\u202e"
    run.steps[0] = Step(0, 1, hostile, [Action(hostile, hostile)], [hostile], [0])
    run.instance_id = run.trajectory_id = run.model = run.exit_status = hostile
    run.messages[0] = {"role": "user", "content": hostile}
    printed = shown(render_run(run, [Verdict(0, Label.GOOD, hostile, hostile)]))
    assert "[bold red]" in printed
    assert all(char == "\n" or char.isprintable() for char in printed)


@given(st.text())
def test_visible_text_keeps_every_printable_character(text: str) -> None:
    kept = [char for char in text if char.isprintable() and visible(char) == char]
    rest = iter(visible_lines(text))
    assert all(char in rest for char in kept)


def test_the_middle_is_cut_and_counted() -> None:
    text = "\n".join(map(str, range(100)))
    assert clip(text, 4).split("\n") == ["0", "1", "⋯ 96 more lines ⋯", "98", "99"]
    assert clip("short", 4) == "short"
    assert "⋯ 600 more characters ⋯" in clip("x" * (LINE_CHARS + 600), 4)


def test_a_run_without_steps_is_shown() -> None:
    run = short_run()
    run.steps = []
    assert "Fix add." in shown(render_run(run))


def test_a_real_run(shared: Path) -> None:
    path = shared / "trajectories/openhands-v0.15/completions/astropy__astropy-13453.json"
    record = json.loads(path.read_text())
    run = read_record(record, source=path.name, row=0, format=None)
    text = shown(render_run(run), 100)
    assert "astropy__astropy-13453" in text
    assert text.count("❯") >= len(run.steps) - 1


def test_tests_that_never_ran_are_not_counted() -> None:
    outcome = TestOutcome("add.0", "add", Status.EMPTY_PATCH, f2p_total=6, p2p_total=4)
    assert "FAIL_TO_PASS" not in shown(render_run(short_run(), VERDICTS, outcome))
