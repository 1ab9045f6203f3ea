"""What decides verdicts is in the recipe of their stage."""

from pathlib import Path

import pytest

from srft_assets.critic.llm import stage as llm
from srft_assets.critic.spec import LlmSpec
from srft_assets.critic.stage import rules_stage
from srft_assets.outcomes.model import FAILED, Status
from srft_assets.warehouse import code
from tests.critic.prompt_runs import PROMPT


@pytest.fixture
def edited(monkeypatch, tmp_path):
    """Let a module have one more statement."""
    files = code._files

    def edit(module: str) -> None:
        (path,) = files(module)
        copy = tmp_path / Path(path).name
        copy.write_text(path.read_text() + "\nEDITED = True\n")
        other = {path: copy}
        monkeypatch.setattr(code, "_files", lambda name: [other.get(f, f) for f in files(name)])
        code.code_digest.cache_clear()

    yield edit
    code.code_digest.cache_clear()


def test_the_making_of_a_row_decides_the_verdicts_of_the_rules(edited):
    before = rules_stage().code
    edited("srft_assets.critic.rows")
    assert rules_stage().code != before


@pytest.mark.parametrize(("judge", "follows"), [("failed", True), ("all", False)])
def test_which_statuses_are_failures_decides_what_a_critic_of_failed_runs_says(
    judge, follows, monkeypatch
):
    spec = LlmSpec(kind="llm", model="m", judge=judge)
    before = llm.llm_stage("c", spec, PROMPT).code
    monkeypatch.setattr(llm, "FAILED", FAILED | {Status.INFRA_ERROR})
    assert (llm.llm_stage("c", spec, PROMPT).code != before) == follows
