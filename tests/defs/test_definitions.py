"""The graph as users see it. A change here is a change of the product, so it is spelled out."""

import subprocess
import sys

import dagster as dg
import pytest

from srft_assets.components.asset import stages_in

CONTROLS = ("inverted_mask", "oracle_mask", "prefix_until_mistake", "random_mask", "rules_mask")
ARMS = ("rft", "sft", "srft", "unresolved_masked", "unresolved_only")
MODELS = ("default", "strict", "with_patch")
"""Critics that ask a model."""


@pytest.fixture(scope="module")
def graph(loaded):
    return loaded.resolve_asset_graph()


def parents(graph, key: str) -> set[str]:
    node = graph.get(dg.AssetKey(key.split("/")))
    return {parent.to_user_string() for parent in node.parent_keys}


def test_the_assets(graph):
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == {
        "trajectories",
        "test_outcomes",
        "integrity",
        "base_models/tiny",
        "gold_labels",
        "comparison",
        *(f"critic_prompt/{critic}" for critic in MODELS),
        *(
            f"{stage}/{critic}"
            for critic in ("rules", *MODELS)
            for stage in ("step_verdicts", "critic_scores")
        ),
        *(
            f"{stage}/{arm}"
            for arm in (*ARMS, *CONTROLS)
            for stage in ("masked_tokens", "checkpoints", "eval_scores")
        ),
    }


def test_only_arms_with_a_critic_depend_on_it(graph):
    with_critic = {
        arm for arm in ARMS if "step_verdicts/rules" in parents(graph, f"masked_tokens/{arm}")
    }
    assert with_critic == {"srft", "unresolved_masked"}


def test_controls_and_critics_that_cost_money_are_made_on_request(loaded):
    asked = {key for key, stage in stages_in(loaded).items() if stage.on_request}
    assert asked == {
        *(
            f"{stage}/{critic}"
            for critic in MODELS
            for stage in ("critic_prompt", "step_verdicts", "critic_scores")
        ),
        *(
            f"{stage}/{arm}"
            for arm in CONTROLS
            for stage in ("masked_tokens", "checkpoints", "eval_scores")
        ),
    }


def test_what_is_made_on_request_has_partitions_of_its_own(loaded, graph):
    own = {
        *(f"step_verdicts/{critic}" for critic in MODELS),
        *(f"masked_tokens/{arm}" for arm in CONTROLS),
    }
    for key, stage in stages_in(loaded).items():
        if stage.partitioned_by == "batch":
            name = f"batches of {key}" if key in own else "batch"
            assert graph.get(dg.AssetKey(key.split("/"))).partitions_def.name == name


def test_data_goes_one_way(graph):
    assert parents(graph, "trajectories") == set()
    assert parents(graph, "test_outcomes") == {"trajectories"}
    assert parents(graph, "integrity") == {"trajectories"}
    assert "integrity" in parents(graph, "masked_tokens/rft")
    assert parents(graph, "step_verdicts/rules") == {"trajectories", "test_outcomes"}
    assert parents(graph, "checkpoints/srft") == {"masked_tokens/srft", "base_models/tiny"}
    assert parents(graph, "eval_scores/srft") == {"checkpoints/srft"}
    assert parents(graph, "comparison") == {f"eval_scores/{arm}" for arm in ARMS}


def test_every_asset_says_what_it_means_and_who_owns_it(graph):
    for node in graph.asset_nodes:
        assert node.description, node.key
        assert node.owners and node.kinds, node.key
        assert "dagster/column_schema" in node.metadata, node.key


def test_every_partition_mapping_is_stated(loaded):
    for asset in loaded.resolve_asset_graph().assets_defs:
        for spec in asset.specs:
            for dep in spec.deps:
                stated = dep.partition_mapping is not None
                assert stated or spec.partitions_def is None, (spec.key, dep.asset_key)


def test_jobs_sensors_schedules_and_checks(loaded):
    repository = loaded.get_repository_def()
    assert {job.name for job in repository.get_all_jobs()} == {
        "__ASSET_JOB",
        "ask_for",
        "ingest_runs",
        "label_new_runs",
        "relabel",
        "train_arm",
        "evaluate_arm",
    }
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "alerts",
        "check_alerts",
        "inbox",
        "in_sync",
    }
    nightly = repository.get_schedule_def("relabel_nightly")
    assert nightly.default_status is dg.DefaultScheduleStatus.STOPPED
    checks = {key.name for key in loaded.resolve_asset_graph().asset_check_keys}
    assert checks == {
        "steps_consecutive",
        "trajectory_ids_unique",
        "outcomes_add_up",
        "verdicts_cover_steps",
        "trained_tokens_accepted",
        "critic_good_enough",
        "runs_graded",
        "steps_labelled",
        "tokens_trained",
        "runs_whole",
        "runs_untainted",
        "batches_trained",
        "rows_trained",
        "in_sync",
    }


def test_each_asset_is_its_stage(loaded, graph):
    stages = stages_in(loaded)
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == set(stages)


def test_loading_imports_nothing_heavy():
    code = (
        "import sys; from srft_assets.definitions import defs; defs();"
        "print([m for m in ('torch', 'transformers', 'vllm', 'swebench', 'minisweagent', 'trl',"
        " 'peft', 'datasets', 'matplotlib', 'pandas', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_command_line_imports_no_dagster():
    code = "import sys, srft_assets.cli; print([m for m in ('dagster', 'polars', 'duckdb')"
    done = subprocess.run(
        [sys.executable, "-c", f"{code} if m in sys.modules])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.fixture
def specs(repository: dg.RepositoryDefinition) -> dict[str, dg.AssetSpec]:
    return {
        spec.key.to_user_string(): spec
        for asset in repository.assets_defs_by_key.values()
        for spec in asset.specs
    }


def test_every_column_of_every_asset_says_what_it_means(specs):
    mute = [
        (key, column.name)
        for key, spec in specs.items()
        for column in spec.metadata["dagster/column_schema"].columns
        if not column.description
    ]
    assert mute == []


def test_columns_name_columns_that_exist_upstream(specs):
    columns = {
        key: {column.name for column in spec.metadata["dagster/column_schema"].columns}
        for key, spec in specs.items()
    }
    named = 0
    for key, spec in specs.items():
        lineage = spec.metadata["dagster/column_lineage"].deps_by_column
        assert set(lineage) <= columns[key]
        for deps in lineage.values():
            named += len(deps)
            for dep in deps:
                assert dep.column_name in columns[dep.asset_key.to_user_string()], key
    assert named > len(specs)


def test_a_label_comes_from_steps_and_outcomes(specs):
    lineage = specs["step_verdicts/rules"].metadata["dagster/column_lineage"].deps_by_column
    found = {(dep.asset_key.to_user_string(), dep.column_name) for dep in lineage["label"]}
    parts = ("thoughts", "tools", "commands", "observations", "return_codes")
    steps = {("trajectories", f"step_{part}") for part in parts}
    assert found == {*steps, ("test_outcomes", "status")}
