"""Critics that no arm needs, and controls, have partitions once somebody asks for them."""

from pathlib import Path

import dagster as dg
import pytest

from srft_assets.components.asset import stages_in
from srft_assets.components.partitioning import to_know
from srft_assets.definitions import project
from srft_assets.home import Home
from srft_assets.warehouse.partitions import ONLY, Warehouse
from tests.outcomes.conftest import make

STRICT = "batches of step_verdicts/strict"
LAZY = """type: srft_assets.components.Critic
attributes: {kind: llm, model: m}
"""
ARM = """type: srft_assets.components.Arm
attributes: {critic: lazy}
"""


@pytest.fixture
def ask(repository: dg.RepositoryDefinition, instance: dg.DagsterInstance):
    """Run the job `ask_for`; whether it succeeded."""

    def run(**wanted) -> bool:
        config = {"ops": {"add_partitions": {"config": wanted}}}
        job = repository.get_job("ask_for")
        return job.execute_in_process(config, instance, raise_on_error=False).success

    return run


def test_a_critic_gets_the_batches_that_fit(ask, labelled: Home, instance):
    assert ask(assets=["step_verdicts/strict"], batches=["b*"])
    assert instance.get_dynamic_partitions(STRICT) == ["b"]
    assert ask(assets=["step_verdicts/strict"])
    assert instance.get_dynamic_partitions(STRICT) == ["b", "a"]
    assert instance.get_dynamic_partitions("batches of step_verdicts/default") == []


def test_a_control_gets_batches_and_seeds(ask, labelled: Home, instance):
    assert ask(assets=["checkpoints/random_mask"])
    assert instance.get_dynamic_partitions("batches of masked_tokens/random_mask") == ["a", "b"]
    assert instance.get_dynamic_partitions("seed_on_request") == ["0"]


def test_what_is_not_there_is_not_asked_for(ask, labelled: Home, instance):
    assert not ask(assets=["step_verdicts/strict"], batches=["other"])
    assert not ask(assets=["step_verdicts/strickt"])
    assert instance.get_dynamic_partitions(STRICT) == []


def test_a_critic_that_an_arm_needs_has_the_partitions_of_all(tmp_path: Path):
    for name, text in (("lazy", LAZY), ("lone", LAZY), ("mine", ARM)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "defs.yaml").write_text(text)
        if text is LAZY:
            shipped = Path(project.__code__.co_filename).parent / "defs/critics/default/prompt.md"
            (tmp_path / name / "prompt.md").write_text(shipped.read_text())
    graph = project(tmp_path).resolve_asset_graph()
    names = {
        key: graph.get(dg.AssetKey(["step_verdicts", key])).partitions_def.name
        for key in ("lazy", "lone")
    }
    assert names == {"lazy": "batch", "lone": "batches of step_verdicts/lone"}


def test_what_was_made_is_known(loaded, labelled: Home):
    frame = Warehouse(labelled.warehouse).read("step_verdicts/rules", "b")
    stamp = Warehouse(labelled.warehouse).stamp("step_verdicts/rules", "b")
    Warehouse(labelled.warehouse).write("step_verdicts/strict", "b", frame, stamp)
    known = to_know(loaded.resolve_asset_graph().assets_defs, labelled)
    assert (known["batch"], known[STRICT], known["seed_on_request"]) == (["a", "b"], ["b"], [])


def test_scores_of_a_critic_without_verdicts_are_none(loaded, labelled: Home):
    stages = stages_in(loaded)
    make(labelled, stages["gold_labels"], ONLY)
    make(labelled, stages["critic_scores/strict"], ONLY)
    assert Warehouse(labelled.warehouse).read("critic_scores/strict").is_empty()
