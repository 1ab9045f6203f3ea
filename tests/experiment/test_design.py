"""The conditions: arms of the platform, with labels moved or runs left out where one says so."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srft_assets.experiment.design import ARMS, BASE, FULL, MISTAKE, Design, Facts, Teacher, arms_of
from srft_assets.home import Home
from srft_assets.tokens.arm import ArmSpec
from tests.experiment.conftest import REGIME, TINY


class Known(Teacher):
    """A teacher whose runs need no warehouse."""

    resolved = tuple(f"r{number}" for number in range(5))
    failed = tuple(f"f{number}" for number in range(9))
    oracle = pl.DataFrame(
        [
            {"trajectory_id": run, "step_index": step, "label": label}
            for run in failed
            for step, label in enumerate(("good", MISTAKE, "recover", MISTAKE, "unnecessary"))
        ]
    )

    def facts(self, arm: str) -> Facts:
        """Every run of rft has 100 trained tokens, that of another arm 50."""
        trained = 1000 if arm == "rft" else 500
        return Facts(10, 10, 5, 9000, trained, 0, 0)


@pytest.fixture
def full(tmp_path) -> Design:
    return Design(FULL, REGIME, Known(Home(tmp_path)))


def test_the_full_form_has_every_condition_with_five_seeds(full: Design):
    found = [*full.by_steps(), *full.by_f1(), *full.by_share(), *full.by_tokens()]
    cells = {(one.arm, one.seed) for one in found}
    assert len(cells) == 5 * (1 + 8 + 3 + 4 + 7), "arms stand in several series"
    for series, levels in (("steps", 9), ("f1", 4), ("share", 5), ("tokens", 8)):
        own = [one for one in found if one.series == series]
        assert len({one.level for one in own}) == levels
        assert len(own) == 5 * levels
        assert len({(one.level, one.seed) for one in own}) == len(own)


def test_every_condition_is_a_valid_arm_of_the_regime(full: Design):
    arms = arms_of([*full.by_steps(), *full.by_f1(), *full.by_share(), *full.by_tokens()])
    for name, attributes in arms.items():
        arm = ArmSpec(name=name, **attributes)
        assert arm.evaluation.tasks == REGIME.held_out_tasks
        assert arm.evaluation.temperature == REGIME.temperature
        assert arm.training.batch_size == REGIME.batch_size


def test_arms_are_the_shipped_ones_but_for_training_and_evaluation(full: Design):
    arms = arms_of(full.by_steps())
    assert arms["oracle"]["gold"] == "lab"
    assert arms["srft"]["critic"] == arms["inverted_mask"]["critic"] == "rules"
    assert arms["inverted_mask"]["control"] == "inverted_mask"
    assert arms["rft"]["runs"] == "resolved"
    assert [arms[f"random_mask_s{seed}"]["seed"] for seed in range(5)] == [0, 1, 2, 3, 4]
    assert arms[BASE]["training"]["learning_rate"] == 0
    assert {arm["training"]["max_steps"] for name, arm in arms.items() if name != BASE} == {120}


def test_one_name_is_one_arm(full: Design):
    found: dict = {}
    for one in (*full.by_steps(), *full.by_f1(), *full.by_share(), *full.by_tokens()):
        assert found.setdefault(one.arm, one.settings) == one.settings


def test_as_many_tokens_are_trained_as_by_the_reference(full: Design):
    steps = {one.level: one.settings["training"]["max_steps"] for one in full.by_tokens()}
    assert steps == {level: 120 if level == "rft" else 240 for level in ARMS}
    assert {one.arm for one in full.by_tokens() if one.level == "rft"} == {"rft"}


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(0, 9))
def test_moved_labels_have_the_f1_that_was_asked_for(share, seed):
    teacher = Known(Home(None))
    mistakes = (teacher.oracle["label"] == MISTAKE).sum()
    moved = teacher.moved(share, seed)
    assert (moved["label"] == MISTAKE).sum() == mistakes
    assert teacher.f1(moved) == pytest.approx(1 - round(share * mistakes) / mistakes)
    assert moved.equals(teacher.moved(share, seed))


def test_a_step_without_a_label_is_a_miss_and_one_of_another_run_counts_for_nothing():
    teacher = Known(Home(None))
    half = teacher.oracle.filter(pl.col("step_index") < 2)
    assert teacher.f1(half) == pytest.approx(2 / 3)
    other = half.with_columns(pl.lit("r1").alias("trajectory_id"))
    assert teacher.f1(pl.concat([half, other])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 1.0])
def test_every_share_of_failed_runs_has_as_many_runs(share):
    teacher = Known(Home(None))
    kept = teacher.with_share(share, 0)
    assert len(set(kept)) == len(kept) == 5
    failed = [name for name in kept if name.startswith("f")]
    assert abs(len(failed) - share * len(kept)) <= 0.5
    assert kept == teacher.with_share(share, 0)


def test_the_engine_masks_by_the_moved_labels(design: Design):
    rows = design.teacher.warehouse.read("masked_tokens/moved_50_s0", "lab-reproduce")
    spans = rows.filter(pl.col("trajectory_id").is_in(design.teacher.failed)).explode("spans")
    found = spans.select("trajectory_id", pl.col("spans").struct.unnest())
    masked = found.filter(~pl.col("trained")).select("trajectory_id", "step_index")
    expected = design.teacher.moved(0.5, 0).filter(pl.col("label") == MISTAKE)
    assert masked.height > 0
    assert set(masked.rows()) == set(expected.select("trajectory_id", "step_index").rows())


def test_the_engine_takes_the_drawn_runs(design: Design):
    for share, name in ((0.5, "failed_50_s0"), (1.0, "failed_100_s0")):
        rows = design.teacher.warehouse.read(f"masked_tokens/{name}", "lab-reproduce")
        assert set(rows["trajectory_id"]) == set(design.teacher.with_share(share, 0))


def test_facts_count_each_token_once(design: Design):
    rows = design.teacher.warehouse.read("masked_tokens/oracle", "lab-reproduce")
    spans = rows.explode("spans").select(pl.col("spans").struct.unnest())
    lengths = spans.select("trained", length=pl.col("end") - pl.col("start"))
    facts = design.teacher.facts("oracle")
    assert facts.trained == lengths.filter("trained")["length"].sum()
    assert facts.masked == lengths.filter(~pl.col("trained"))["length"].sum()
    assert facts.steps_masked == (~spans["trained"]).sum() > 0
    assert (facts.runs, facts.resolved) == (TINY.runs, len(design.teacher.resolved))
