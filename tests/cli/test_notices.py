"""Nothing happens in silence: what plan, apply and the asset checks say of green partitions."""

import json
from collections.abc import Callable

import dagster as dg
import pytest

from srft_assets.components.launch import open_instance
from srft_assets.home import Home
from tests.cli.conftest import Fill
from tests.trajectories.ingest_support import run_of, write_lines

UNGRADED = (
    "note step_verdicts/default: 2 of 3 runs in own are ungraded: nobody said whether they failed, "
    "and the critic default judges failed runs only; grade them with `srft grade own`, attach "
    "reports with `srft ingest REPORTS --batch own`, or state `judge: all` in the critic's YAML"
)
UNTRAINED = (
    "note masked_tokens/unresolved_only: nothing in own is trained: 3 runs of another outcome, or "
    "ungraded"
)


def three_runs(home: Home, srft: Callable[..., int]) -> None:
    rows = [run_of("one"), run_of("two"), {**run_of("three"), "resolved": True, "patch": "diff"}]
    assert srft("ingest", str(write_lines(home.inbox / "own.jsonl", rows))) == 0


@pytest.fixture
def own(home: Home, once: Callable[[Home, Fill], Home]) -> Home:
    """A batch of two runs that nobody graded, and one that is resolved."""
    return once(home, three_runs)


def check(home: Home, asset: str, name: str) -> dg.AssetCheckEvaluation:
    """What the page of an asset says last."""
    with open_instance(home) as instance:
        key = dg.AssetCheckKey(dg.AssetKey(asset.split("/")), name)
        record = instance.get_latest_asset_check_evaluation_record(key)
    assert record and record.event and record.event.dagster_event
    told = record.event.dagster_event.event_specific_data
    assert isinstance(told, dg.AssetCheckEvaluation)
    return told


def test_ungraded_runs_are_told_before_and_after_a_critic_is_asked(own, srft):
    assert UNGRADED in srft("plan", "--critic", "default").out.splitlines()
    said = srft("apply", "step_verdicts/default")
    assert said.code == 0
    assert UNGRADED in said.out.splitlines()
    assert UNGRADED in srft("apply", "step_verdicts/default").out.splitlines()
    told = check(own, "step_verdicts/default", "runs_graded")
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert told.description in UNGRADED


def test_programs_get_the_notes_as_well(own, srft):
    (notice,) = json.loads(srft("plan", "--critic", "default", "--json").out)["notices"]
    assert (notice["assets"], notice["watch"]) == (["step_verdicts/default"], "runs_graded")
    assert notice["said"]["line"] in UNGRADED


def test_a_batch_of_which_nothing_is_trained_is_told(own, srft):
    said = srft("apply", "masked_tokens/unresolved_only", "masked_tokens/sft")
    assert (said.code, [line for line in said.out.splitlines() if "note" in line]) == (
        0,
        [UNTRAINED],
    )
    assert not check(own, "masked_tokens/unresolved_only", "tokens_trained").passed
    assert check(own, "masked_tokens/sft", "tokens_trained").passed


def test_own_batches_are_planned_for_training_without_a_setting(own, srft):
    assert srft("apply", "masked_tokens/sft").code == 0
    items = json.loads(srft("plan", "checkpoints/sft", "--json").out)["partitions"]
    (item,) = (one for one in items if one["asset"] == "checkpoints/sft")
    assert (item["state"], item["why"]) == ("missing", [])
