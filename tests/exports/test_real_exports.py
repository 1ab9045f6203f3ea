"""Real runs of two scaffolds: text actions, and tool calls with tool results."""

import json
from collections import Counter
from pathlib import Path

import pytest

from srft_assets.exports import FormatName
from srft_assets.trajectories.formats import read_record
from tests.exports.axolotl_schema import Chat
from tests.exports.chats import lines
from tests.exports.conftest import Platform
from tests.exports.test_openai_format import MESSAGE, TOOL
from tests.exports.test_token_formats import Tokenized, records

UNFIT = (FormatName.AXOLOTL_SPANS, FormatName.TORCHTUNE, FormatName.VERL)
"""Formats that do not take the two runs with calls."""
FILES = (
    "mini-swe-agent-v1/trajs/django__django-11099.traj.json",
    "mini-swe-agent-v1/trajs/astropy__astropy-14182.traj.json",
    "openhands-v0.15/completions/astropy__astropy-13453.json",
    "openhands-v0.15/completions/django__django-11163.json",
)


@pytest.fixture
def real(platform_with, shared: Path) -> Platform:
    """Four runs, every third step a mistake."""
    platform = platform_with()
    runs = []
    for name in FILES:
        path = shared / "trajectories" / name
        record = json.loads(path.read_text())
        runs.append(read_record(record, source=path.name, row=0, format=None))
    platform.add("real", *runs)
    return platform


def test_every_format_takes_every_run(real, tmp_path):
    for form in FormatName:
        done = real.export(form, tmp_path / form, allowed=["email", "home", "password"])
        assert done.counts.refused.total() == (2 if form in UNFIT else 0), form
        assert (tmp_path / form / "README.md").is_file()
        if form not in (*UNFIT, FormatName.DPO):
            assert done.counts.total["runs"] == len(FILES), form
    for record in records(tmp_path / "axolotl-tokens"):
        Tokenized.model_validate(record)
    for record in records(tmp_path / "axolotl-messages"):
        Chat.model_validate(record)
    weights: Counter[int] = Counter()
    for chat in lines(tmp_path / "openai"):
        for message in chat["messages"]:
            weights.update([message.pop("weight")] if message["role"] == "assistant" else [])
            MESSAGE.validate_python(message)
        for tool in chat.get("tools", []):
            TOOL.validate_python(tool)
    masked = [span for row in real.rows("real") for span in row["spans"] if not span["trained"]]
    assert weights[0] == len(masked) > 0
