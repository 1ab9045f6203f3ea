"""Seeds are there when they are asked for: on the command line, in the plan and in the UI."""

import json

import dagster as dg
import pytest

from srft_assets.components.launch import open_instance
from srft_assets.components.partitioning import ASKED_SEEDS, SEED
from srft_assets.definitions import defs
from srft_assets.errors import UsageError
from srft_assets.seeds import add_seeds, asked_seeds, check_seed

SEEDS = ["0", "1", "2"]


def planned(said: str, asset: str) -> list[str]:
    """Partitions of an asset that the plan holds."""
    return [one["partition"] for one in json.loads(said)["partitions"] if one["asset"] == asset]


def test_one_seed_by_default_and_more_when_they_are_asked_for(filled, srft):
    assert planned(srft("plan", "--json").out, "checkpoints/sft") == ["0"]
    said = srft("seeds", "add", "2")
    assert said.out.strip() == "seeds 0, 1, 2; new: 1, 2. srft plan says what that takes"
    assert planned(srft("plan", "--json").out, "checkpoints/sft") == SEEDS
    assert planned(srft("plan", "--seed", "7", "--json").out, "checkpoints/sft") == ["7"]
    assert srft("seeds", "list").out.strip() == "seeds 0, 1, 2"


def test_the_ui_knows_the_seeds_and_none_of_controls(filled, srft):
    srft("seeds", "add", "2")
    with open_instance(filled) as instance:
        assert instance.get_dynamic_partitions(SEED) == SEEDS
        assert instance.get_dynamic_partitions(str(ASKED_SEEDS.name)) == []


def test_controls_have_partitions_once_they_are_named(filled, srft):
    srft("apply", "checkpoints/oracle_mask", "--batch", "one")  # fails: there are no gold labels
    with open_instance(filled) as instance:
        assert instance.get_dynamic_partitions(str(ASKED_SEEDS.name)) == ["0"]


def test_the_lowest_free_numbers_are_added(home):
    add_seeds(home, ["1", "0", "10"])
    assert asked_seeds(home) == ["0", "1", "10"]
    add_seeds(home, ["1"])
    assert asked_seeds(home) == ["0", "1", "10"]


@pytest.mark.parametrize("name", ["-1", "01", "x", "", "1.5", "../1"])
def test_a_seed_is_a_number(name):
    with pytest.raises(UsageError, match="a seed is a number"):
        check_seed(name)


def test_materialize_all_previews_no_training_of_a_control():
    graph = defs().resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        if key.path[0] in ("checkpoints", "eval_scores"):
            control = node.tags.get("srft/on_request") == "true"
            assert isinstance(node.partitions_def, dg.DynamicPartitionsDefinition)
            assert node.partitions_def.name == (ASKED_SEEDS.name if control else SEED)
