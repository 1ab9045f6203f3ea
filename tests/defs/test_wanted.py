"""What is looked at: what is wanted, by the definitions as they are now."""

from dataclasses import replace

from srft_assets.components.in_sync import evaluation
from srft_assets.components.stages import stages_in
from srft_assets.planning import look
from srft_assets.warehouse.plan import State
from srft_assets.warehouse.store import Warehouse
from tests.defs.stale import VERDICTS, stamp


def test_a_critic_that_costs_money_is_wanted_where_its_verdicts_exist(labelled, loaded):
    stages = stages_in(loaded)
    key = "step_verdicts/strict"
    assert look(stages, labelled).items[key] == []
    assert evaluation(key, []).passed
    warehouse = Warehouse(labelled.warehouse)
    old = stamp(labelled, VERDICTS, "a")
    recipe = replace(old.recipe, config={**old.recipe.config, "model": "another"})
    warehouse.write(key, "a", warehouse.read(VERDICTS, "a"), replace(old, recipe=recipe))
    (item,) = look(stages, labelled).items[key]
    assert (item.partition, item.state) == ("a", State.STALE)


def test_of_seeds_the_first_is_wanted_and_those_whose_checkpoint_exists(labelled, loaded):
    stages = stages_in(loaded)
    warehouse = Warehouse(labelled.warehouse)
    old = stamp(labelled, VERDICTS, "a")
    warehouse.write("checkpoints/srft", "3", warehouse.read(VERDICTS, "a"), old)
    items = look(stages, labelled).items
    names = {key: [item.partition for item in of] for key, of in items.items()}
    assert names["checkpoints/srft"] == names["eval_scores/srft"] == ["0", "3"]
    assert names["checkpoints/sft"] == ["0"]


def test_a_plan_over_some_assets_is_of_these_alone(labelled, loaded):
    assert set(look(stages_in(loaded), labelled, [VERDICTS]).items) == {VERDICTS}


def test_what_is_needed_and_was_never_made_fails():
    assert not evaluation("step_verdicts/rules", [], needed=True).passed
    assert evaluation("step_verdicts/strict", [], needed=False).passed
