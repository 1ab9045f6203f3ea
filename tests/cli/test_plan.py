"""`srft plan` as people and programs read it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from srft_assets.home import Home
from tests.cli.conftest import Srft, call
from tests.trajectories.ingest_support import run_of, write_lines

BATCHES = {"one": ["one-bad", "one-worse"], "two": ["two-bad"]}


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Three failed runs in two batches; nothing else was made."""
    home = Home(tmp_path_factory.mktemp("graded") / "home")
    with pytest.MonkeyPatch.context() as patch:
        for batch, names in BATCHES.items():
            rows = [{**run_of(name), "resolved": False, "patch": "diff"} for name in names]
            path = write_lines(home.inbox / f"{batch}.jsonl", rows)
            assert call(patch, home, ("ingest", str(path))) == 0
    return home


@pytest.fixture
def srft(speaking, graded: Home) -> Srft:
    return speaking(graded)


def cells(line: str) -> list[str]:
    """The columns of a line of the table, which two blanks part at least."""
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def told(out: str) -> list[list[str]]:
    return [cells(line) for line in out.splitlines() if line.strip()]


def test_a_critic_has_its_prompt_its_verdicts_and_its_scores_told(srft):
    said = srft("plan", "--critic", "default")
    assert (said.code, said.err) == (0, "")
    head, *table, states, cost = told(said.out)
    assert head == ["asset", "partitions", "state", "why"]
    assert ["critic_prompt/default", "all", "missing"] in table
    assert ["step_verdicts/default", "one, two", "missing"] in table
    assert ["critic_scores/default", "all", "waiting", "for step_verdicts/default"] in table
    assert {row[0].split("/")[-1] for row in table} == {"default", "gold_labels"}
    assert states[0].startswith("4 of 9 partitions in sync, ")
    assert cost[0].startswith("Estimated, --exact counts: 3 critic calls to pay for (about ")
    assert cost[0].endswith(" tokens to label), 0 answered by the ledger.")


def test_what_is_left_of_a_budget_is_told(srft, monkeypatch):
    monkeypatch.setenv("SRFT_CRITIC_MAX_CALLS", "1000")
    monkeypatch.setenv("SRFT_CRITIC_MAX_USD", "2.5")
    said = srft("plan", "--critic", "default").out.splitlines()
    assert "Left of the budget of default (critic.max_…): 1,000 calls, 2.50 usd." in said


def test_an_arm_is_told_to_its_evaluation(srft):
    names = [row[0] for row in told(srft("plan", "--arm", "sft").out)]
    costs = names.index("stage")
    assert names[1:costs] == [
        "base_models/tiny",
        "integrity",
        "masked_tokens/sft",
        "checkpoints/sft",
        "eval_scores/sft",
    ]
    stages = names[costs + 1 : names.index("all")]
    assert stages == ["masked_tokens", "checkpoints", "eval_scores"]


def test_critics_and_arms_may_be_named_together_and_more_than_once(srft):
    words = ("--critic", "default", "--critic", "strict", "--arm", "sft")
    names = {row[0] for row in told(srft("plan", *words).out)}
    assert {"step_verdicts/default", "step_verdicts/strict", "eval_scores/sft"} <= names
    assert "step_verdicts/rules" not in names


def test_a_batch_alone(srft):
    said = srft("plan", "--critic", "default", "--batch", "two")
    assert ["step_verdicts/default", "two", "missing"] in told(said.out)
    assert "1 critic call to pay for" in said.out


def test_what_is_in_sync_is_shown_on_demand(srft):
    assert "trajectories" not in srft("plan", "--critic", "rules").out
    table = told(srft("plan", "--critic", "rules", "--all").out)
    assert ["trajectories", "one, two", "in sync"] in table


def test_as_json_every_partition_with_state_reason_and_cost(srft):
    said = srft("plan", "--critic", "default", "--json")
    plan = json.loads(said.out)
    items = {(item["asset"], item["partition"]): item for item in plan["partitions"]}
    assert items["trajectories", "one"]["state"] == "in sync"
    one = items["step_verdicts/default", "one"]
    assert (one["state"], one["why"], one["behind"]) == ("missing", [], "")
    assert (one["cost"]["calls"], one["cost"]["answered"]) == (2, 0)
    assert items["critic_scores/default", "all"]["behind"] == "step_verdicts/default/one"
    assert plan["cost"]["calls"] == 3
    assert plan["cost"]["tokens_to_label"] > 0


@contextmanager
def laid(home: Home, asset: str) -> Iterator[None]:
    """A partition of the asset for a while, with the rows and the stamp of another."""
    path = home.warehouse / asset / "one.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes((home.warehouse / "trajectories" / "one.parquet").read_bytes())
    try:
        yield
    finally:
        shutil.rmtree(path.parent)


def test_orphans_are_told_where_everything_is_asked_for(srft, graded):
    with laid(graded, "step_verdicts/gone"):
        row = ["step_verdicts/gone", "one", "orphaned", "no such asset any more"]
        assert row in told(srft("plan").out)
        assert row not in told(srft("plan", "--critic", "default").out)


def test_the_runs_of_an_evaluation_belong_to_its_scores(srft, graded):
    with laid(graded, "eval_trajectories/sft"):
        (row,) = [row for row in told(srft("plan").out) if row[0] == "eval_trajectories/sft"]
        assert row == ["eval_trajectories/sft", "one", "orphaned", "no such seed any more"]


def test_without_a_name_it_shows_what_apply_would_make(srft, graded):
    out = srft("plan").out
    names = {row[0] for row in told(out)}
    assert {"masked_tokens/srft", "eval_scores/sft", "comparison"} <= names
    assert not {"step_verdicts/default", "masked_tokens/random_mask"} & names
    assert "to pay for" not in out
    assert "Made only when named: " in out.splitlines()[-1]
    assert "step_verdicts/default" in out.splitlines()[-1]


def test_what_must_be_named_counts_where_it_exists_or_all_is_asked_for(srft, graded):
    with laid(graded, "step_verdicts/default"):
        table = [row[:3] for row in told(srft("plan").out)]
        assert ["step_verdicts/default", "one", "stale"] in table
        assert ["step_verdicts/default", "two", "missing"] not in table
    assert "step_verdicts/default" in {row[0] for row in told(srft("plan", "--all").out)}


def test_on_a_narrow_terminal_names_stay_whole(srft, monkeypatch):
    monkeypatch.setattr("srft_assets.cli.plan.Console", partial(Console, width=60))
    names = [row[0] for row in told(srft("plan", "--arm", "unresolved_masked").out)]
    assert "eval_scores/unresolved_masked" in names
    assert "checkpoints/unresolved_masked" in names


@pytest.mark.parametrize("command", ["plan", "apply"])
@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--critic", "nope"), "no critic 'nope'; there are: default, rules, strict, with_patch"),
        (("--arm", "nope"), "no arm 'nope'; there are: inverted_mask, oracle_mask"),
        (("nope/x",), "no asset 'nope/x'; there are: "),
        (("--batch", "nope"), "no batch 'nope'; there are: one, two"),
        (("--seed", "x"), "no seed 'x': a seed is a number, 0, 1, 2, …"),
    ],
)
def test_an_unknown_name_is_a_wrong_call_and_names_those_there_are(srft, command, words, hint):
    said = srft(command, *words)
    assert said.code == 2
    assert hint in said.err
    assert said.out == ""


def test_without_batches_there_is_a_plan_all_the_same(speaking, tmp_path: Path):
    said = speaking(Home(tmp_path / "new"))("plan", "--critic", "default")
    assert said.code == 0
    assert ["critic_prompt/default", "all", "missing"] in told(said.out)
