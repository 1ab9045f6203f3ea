"""Real runs, and a real tokenizer where it is installed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from srft_assets.tokens.mask import Job, mask_runs
from srft_assets.tokens.render import render
from srft_assets.tokens.token_labels import MaskedRow
from srft_assets.tokens.tokenizer import ChatTokenizer, load_tokenizer
from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.model import Trajectory
from tests.tokens.fetch_tokenizers import FOLDER
from tests.tokens.templates import SOUND

FILES = (
    "mini-swe-agent-v1/trajs/django__django-11099.traj.json",
    "mini-swe-agent-v1/trajs/astropy__astropy-14182.traj.json",
    "openhands-v0.15/completions/astropy__astropy-13453.json",
    "openhands-v0.15/completions/django__django-11163.json",
)


@pytest.fixture(scope="module")
def runs(shared: Path) -> list[Trajectory]:
    """Text actions with user observations, and tool calls with tool results."""
    paths = [shared / "trajectories" / name for name in FILES]
    records = [json.loads(path.read_text()) for path in paths]
    return [
        read_record(record, source=path.name, row=0, format=None)
        for path, record in zip(paths, records, strict=True)
    ]


@pytest.fixture(scope="module")
def qwen3() -> ChatTokenizer:
    """Qwen3's own tokenizer."""
    if not (FOLDER / "qwen3" / "tokenizer.json").is_file():
        pytest.skip("no tokenizer qwen3: run python -m tests.tokens.fetch_tokenizers")
    return load_tokenizer(FOLDER / "qwen3")


def assert_exact(runs: list[Trajectory], tokenizer: ChatTokenizer) -> None:
    """Every run gives a row; all its tokens are those of its rendering; each turn is whole."""
    jobs = [Job(run, {step.step_index: True for step in run.steps}) for run in runs]
    for run, row in zip(runs, mask_runs(jobs, tokenizer), strict=True):
        assert isinstance(row, MaskedRow), row
        rendering = render(run, tokenizer)
        expected = tokenizer.hf(rendering.text, add_special_tokens=False)["input_ids"]
        assert row.input_ids.tolist() == expected
        assert len(row.spans) == len(run.steps)
        for span, turn in zip(row.spans, rendering.turns, strict=True):
            ids = row.input_ids[span.start : span.end].tolist()
            text = tokenizer.backend.decode(ids, skip_special_tokens=False)
            assert text == rendering.text[turn.start : turn.end]
            assert text.endswith(turn.terminator)


@pytest.mark.parametrize("name", ["chatml", "chatml-generation", "qwen", "deepseek"])
def test_real_runs_are_masked_exactly(
    name: str, runs: list[Trajectory], tokenizer_with: Callable
) -> None:
    assert_exact(runs, tokenizer_with(SOUND[name]))


def test_the_empty_thinking_that_qwen3_writes_in_the_last_turn_is_its_prompt(
    runs: list[Trajectory], qwen3: ChatTokenizer
) -> None:
    last = runs[0].steps[-1].message_index
    rendering = render(replace(runs[0], messages=runs[0].messages[: last + 1]), qwen3)
    opens = ["<think>" in rendering.text[turn.asked : turn.start] for turn in rendering.turns]
    assert opens == [False] * (len(opens) - 1) + [True]
