"""A critic that asks a model: who is judged, what is asked, what is paid."""

import polars as pl
import pytest

from srft_assets.critic.ledger import Ledger
from srft_assets.critic.spec import LlmSpec
from srft_assets.critic.stages import steps_labelled
from srft_assets.critic.verdict import Label
from srft_assets.home import Home
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.plan import orphans
from tests.critic.platform_support import WORDS, Labeller, graded_runs, labels
from tests.critic.server import Server, serving

RUNS = [("good", 2, True), ("bad", 3, False), ("worse", 5, False)]
"""Name, steps, and whether the run is resolved."""


@pytest.fixture
def server():
    with serving(keep=True) as server:
        yield server


@pytest.fixture
def labeller(home: Home, server: Server) -> Labeller:
    graded_runs(home, RUNS)
    return Labeller(home, server.base_url)


def paid(server: Server) -> int:
    return server.answered.total()


def test_failed_runs_are_judged_each_with_one_call_and_every_step_has_a_verdict(labeller, server):
    made = labeller.label()
    found = labels(made.frame)
    assert {name: len(steps) for name, steps in found.items()} == {"bad": 3, "worse": 5}
    assert set().union(*found.values()) <= set(Label) - {Label.UNLABELED}
    assert paid(server) == 2


def test_all_runs_are_judged_where_the_critic_says_so(labeller, server):
    labeller.settings = {"judge": "all"}
    assert labels(labeller.label().frame).keys() == {"good", "bad", "worse"}


def test_nothing_is_paid_twice(labeller, server):
    first = labeller.label().frame
    assert labeller.label().frame.equals(first)
    assert paid(server) == 2


def test_runs_that_two_batches_hold_are_paid_for_once(labeller, home, server):
    graded_runs(home, RUNS, batch="again")
    first = labeller.label()
    assert (labeller.cost("again").calls, labeller.cost("again").answered) == (2, 2)
    second = labeller.label("again")
    assert second.frame.height == 8 and second.frame.equals(first.frame)
    assert (second.metadata["calls_paid"], second.metadata["calls_answered_by_ledger"]) == (0, 2)
    assert paid(server) == 2


def test_back_to_the_first_prompt_costs_nothing(labeller, server):
    first = labeller.label()
    labeller.words = WORDS.replace("every", "each")
    second = labeller.label()
    assert paid(server) == 4
    assert second.frame["version"].unique().item() != first.frame["version"].unique().item()
    labeller.words = WORDS
    assert labeller.label().frame.equals(first.frame)
    assert paid(server) == 4


def test_the_cost_is_known_before(labeller, server):
    before = labeller.cost()
    assert (before.calls, before.answered) == (2, 0)
    assert before.tokens_to_label > 0
    labeller.label()
    after = labeller.cost()
    assert (after.calls, after.answered, after.tokens_to_label) == (2, 2, 0)


def test_prices_make_a_cost(labeller):
    labeller.settings = {"endpoint": {"usd_per_million_input": 3.0, "usd_per_million_output": 6.0}}
    cost = labeller.cost()
    assert cost.usd == pytest.approx((cost.tokens_to_label * 3 + 8 * 80 * 6) / 1e6)


def test_one_call_a_step(labeller, server):
    labeller.settings = {"reading": "steps"}
    assert labels(labeller.label().frame).keys() == {"bad", "worse"}
    assert paid(server) == 8


def test_verdicts_name_their_call_which_the_ledger_holds(labeller, home):
    calls = set(labeller.label().frame["call"])
    assert len(calls) == 2
    with Ledger(home) as ledger:
        assert ledger.find(calls).keys() == calls


def test_the_calls_of_a_partition_are_in_critic_calls(labeller, home):
    calls = set(labeller.label().frame["call"])
    rows = pl.read_parquet(home.warehouse / "critic_calls" / "c" / "batch.parquet")
    assert set(rows["key"]) == calls
    assert list((home.warehouse / "critic_calls").rglob("*.lock")) == []
    found = orphans({}, Warehouse(home.warehouse), lambda kind: ["batch"])
    assert found, "partitions of assets that are gone"
    assert not [item for item in found if item.asset.startswith("critic_calls")]


def test_the_outcome_is_told_only_where_the_critic_sees_it(labeller, server):
    labeller.words = WORDS.replace("Label steps", "It is {{ outcome }}. Label steps")
    labeller.label()
    told = [body["messages"][1]["content"] for body in server.bodies]
    assert len(told) == 2 and all("It is unresolved." in text for text in told)


def test_a_gold_patch_is_shown_from_the_tasks_and_the_leak_is_noted(labeller, home, server):
    home.tasks.mkdir(parents=True)
    (home.tasks / "some.jsonl").write_text('{"instance_id": "bad", "patch": "--- a/gold"}\n')
    labeller.words = WORDS.replace("Label steps", "{{ gold_patch }} Label steps")
    labeller.settings = {"sees": {"gold_patch": True}}
    made = labeller.label()
    assert made.metadata["sees the gold patch"] is True
    (body,) = server.bodies
    assert "--- a/gold" in body["messages"][1]["content"]
    assert set(labels(made.frame)["worse"]) == {Label.UNLABELED}
    (refusal,) = made.refused
    assert "no reference patch of worse" in refusal.reason


def test_a_run_beyond_the_context_is_read_in_windows(labeller, server):
    labeller.settings = {"context": {"tokens": 1100}}
    made = labeller.label()
    assert Label.UNLABELED not in labels(made.frame)["worse"]
    assert made.refused == []
    assert paid(server) > 2


def test_a_run_beyond_the_context_is_unlabeled_where_the_critic_says_so(labeller, home):
    labeller.settings = {"context": {"tokens": 1100}, "too_long": "unlabeled"}
    made = labeller.label()
    assert set(labels(made.frame)["worse"]) == {Label.UNLABELED}
    assert "context" in made.refused[0].reason
    said = steps_labelled("c", home, Warehouse(home.warehouse), ["batch"])
    assert said and said.warns
    assert said.line.startswith(
        "5 of 8 steps (62.5%) in batch have no label of the critic c; 1 run"
    )


def test_a_batch_without_failed_runs_has_no_verdicts_and_asks_nobody(home, server):
    graded_runs(home, [("good", 2, True)])
    made = Labeller(home, "http://127.0.0.1:1/v1").label()
    assert made.frame.is_empty()
    assert Warehouse(home.warehouse).stamp("step_verdicts/c", "batch") is not None


def test_what_was_cut_of_a_step_is_recorded(labeller):
    assert labeller.label().frame["tokens_cut"].sum() == 0
    labeller.settings = {"context": {"observation_tokens": 2}}
    made = labeller.label()
    assert (made.frame["tokens_cut"] > 0).all()
    assert made.metadata["steps_shown_in_part"] == made.frame.height


def test_leaving_long_runs_unlabeled_is_what_critics_did_before_there_was_a_choice():
    stated = {"kind": "llm", "model": "m"}
    assert "too_long" not in LlmSpec.model_validate(stated | {"too_long": "unlabeled"}).deciding()
    assert LlmSpec.model_validate(stated).deciding()["too_long"] == "windows"
