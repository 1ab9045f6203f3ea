"""What the search box of the UI finds: assets, checks and runs by what they are of."""

import dagster as dg
import pytest

from srft_assets.home import Home
from tests.defs.test_definitions import ARMS, CONTROLS, MODELS


@pytest.fixture(scope="module")
def graph(loaded: dg.Definitions):
    return loaded.resolve_asset_graph()


def found(graph, selection: str) -> set[str]:
    keys = dg.AssetSelection.from_string(selection).resolve(graph)
    return {key.to_user_string() for key in keys}


def test_an_arm_and_all_above_it_is_one_path_from_runs_to_scores(graph):
    assert found(graph, "+tag:arm=srft") == {
        "trajectories",
        "test_outcomes",
        "integrity",
        "step_verdicts/rules",
        "base_models/tiny",
        "masked_tokens/srft",
        "checkpoints/srft",
        "eval_scores/srft",
    }


def test_a_critic_is_found_with_the_arms_that_it_labels_for(graph):
    assert found(graph, "tag:critic=rules and tag:family=critic") == {
        "step_verdicts/rules",
        "critic_scores/rules",
    }
    assert "masked_tokens/srft" in found(graph, "tag:critic=rules")
    assert "masked_tokens/rft" not in found(graph, "tag:critic=rules")
    assert found(graph, "tag:gold=lab and key:masked_tokens/*") == {"masked_tokens/oracle_mask"}


def test_each_asset_is_of_one_family(graph):
    of = {node.key.to_user_string(): node.tags["family"] for node in graph.asset_nodes}
    assert {of[f"checkpoints/{arm}"] for arm in ARMS} == {"arm"}
    assert {of[f"checkpoints/{arm}"] for arm in CONTROLS} == {"control"}
    assert {of[f"step_verdicts/{critic}"] for critic in MODELS} == {"critic"}
    assert (of["trajectories"], of["gold_labels"], of["comparison"]) == (
        "runs",
        "gold",
        "comparison",
    )


def test_controls_fold_away_in_a_group_of_their_own_and_the_rest_by_stage(graph):
    assert found(graph, "group:controls") == found(graph, "tag:family=control")
    assert found(graph, "group:masked_tokens") == {f"masked_tokens/{arm}" for arm in ARMS}
    assert not found(graph, "group:controls+1") - found(graph, "group:controls")


def test_a_check_says_what_its_asset_is_of(loaded: dg.Definitions, graph):
    tags = {node.key: node.tags for node in graph.asset_nodes}
    specs = [
        spec
        for checks in loaded.get_repository_def().asset_checks_defs_by_key.values()
        for spec in checks.check_specs
    ]
    assert specs
    for spec in specs:
        of = {name: tags[spec.asset_key].get(name) for name in ("arm", "critic", "family")}
        said = {name: spec.metadata.get(name) for name in of}
        assert said == of, spec.key


def test_a_run_is_found_by_what_it_makes(labelled: Home, loaded: dg.Definitions, instance):
    instance.add_dynamic_partitions("batch", ["a"])
    job = loaded.resolve_implicit_global_asset_job_def()
    keys = [dg.AssetKey("trajectories"), dg.AssetKey(["step_verdicts", "rules"])]
    job.execute_in_process(instance=instance, asset_selection=keys, partition_key="a")
    (run,) = instance.get_runs(dg.RunsFilter(tags={"critic": "rules"}))
    assert run.tags["family"] == "critic,runs"
