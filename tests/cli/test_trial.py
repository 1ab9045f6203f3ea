"""`srft critic try`: a few runs are labelled and paid for once, and nothing is made."""

import pytest

from srft_assets.critic.stages import llm_stage
from srft_assets.critic.trial import sample
from srft_assets.warehouse.partitions import Warehouse
from tests.critic.platform_support import Labeller, graded_runs
from tests.critic.server import serving

RUNS = [("good", 2, True), *((f"bad-{number}", 3, False) for number in range(4))]


@pytest.fixture
def server(monkeypatch):
    with serving() as server:
        monkeypatch.setenv("SRFT_CRITIC_URL", server.base_url)
        yield server


def test_a_critic_is_tried_on_a_few_runs_and_their_answers_are_not_paid_again(home, srft, server):
    graded_runs(home, RUNS)
    said = srft("critic", "try", "default", "--runs", "2")
    assert said.code == 0, said.err
    told = said.out.splitlines()
    assert (
        "default on 2 of 4 runs that it judges: 6 steps; 2 calls paid, 0 answered by the ledger"
        in told
    )
    assert "these runs have no verdicts of it to compare with" in told
    (cost,) = (line for line in told if line.startswith("The whole: "))
    assert cost.startswith("The whole: 2 critic calls to pay for (about ")
    assert cost.endswith(", 2 answered by the ledger.")
    assert told[-1] == "Nothing was made or became stale: srft apply step_verdicts/default"
    warehouse = Warehouse(home.warehouse)
    for asset in ("step_verdicts/default", "critic_prompt/default"):
        assert warehouse.partitions(asset) == []

    assert srft("apply", "step_verdicts/default").code == 0
    assert server.answered.total() == 4
    again = srft("critic", "try", "default", "--runs", "3").out.splitlines()
    assert "0 of 9 steps changed label:" in again
    assert "The whole is made already." in again
    assert server.answered.total() == 4


def test_a_critic_that_judges_all_runs_is_tried_on_all(home, server):
    graded_runs(home, RUNS)
    critic = Labeller(home, server.base_url, {"judge": "all"})
    stage = llm_stage("c", critic.spec, critic.prompt)
    runs, total = sample(home, stage, ["batch"], count=9, seed=0, gold=False)
    assert (len(runs["batch"]), total) == (5, 5)
    assert server.answered.total() == 0


def test_who_asks_no_model_cannot_be_tried(home, srft):
    said = srft("critic", "try", "rules")
    assert (said.code, said.out) == (2, "")
    assert "no critic 'rules' that asks a model; there are: default, strict, with_patch" in said.err


def test_without_a_run_to_judge_it_says_so(home, srft):
    said = srft("critic", "try", "default")
    assert (said.code, said.out) == (1, "")
    assert said.err == "error: there are no batches yet: srft ingest PATH, or srft demo\n"
    graded_runs(home, [("good", 2, True)])
    said = srft("critic", "try", "default")
    assert said.code == 1
    assert "step_verdicts/default: there is no run to try it on: srft plan says why" in said.err
