"""A batch that was split into parts answers to the name that it was given."""

import pytest

from srft_assets.cli.platform import chosen_batches
from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.tokens.arm import ArmSpec, TrainingSpec
from srft_assets.training.stage import checkpoints_stage
from srft_assets.trajectories.batches import batch_names, family_of
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.partitions import matching
from tests.trajectories.ingest_support import write_runs


def test_the_name_of_a_split_batch_chooses_its_parts(tmp_path):
    home = Home(tmp_path / "home")
    ingest(home, [write_runs(tmp_path / "runs", "abc")], batch="mini", batch_size=2)
    ingest(home, [write_runs(tmp_path / "others", "d")], batch="other")
    parts = ["mini-000", "mini-001"]
    assert chosen_batches(home, ["mini"]) == parts
    assert chosen_batches(home, ["other", "mini", "mini-001"]) == ["other", *parts]
    assert chosen_batches(home, None) == [*parts, "other"]
    with pytest.raises(UsageError, match="no batch 'min'"):
        chosen_batches(home, ["min"])


def test_a_name_chooses_what_was_added_to_it_and_no_batch_that_only_looks_so(tmp_path):
    home = Home(tmp_path / "home")
    runs = write_runs(tmp_path / "runs", "ab")
    ingest(home, [runs], batch="mini", batch_size=2)
    write_runs(runs, "c")
    ingest(home, [runs], batch="mini", batch_size=2)
    ingest(home, [write_runs(tmp_path / "others", "d")], batch="mini-2024")
    assert chosen_batches(home, None) == ["mini", "mini-001", "mini-2024"]
    assert chosen_batches(home, ["mini"]) == ["mini", "mini-001"]
    assert chosen_batches(home, ["mini-2024"]) == ["mini-2024"]


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The batch `mini` in two parts, and others beside it."""
    folder = tmp_path_factory.mktemp("split")
    home = Home(folder / "home")
    ingest(home, [write_runs(folder / "runs", "abc")], batch="mini", batch_size=2)
    for batch in ("mine", "mini-2024"):
        ingest(home, [write_runs(folder / batch, batch[-1])], batch=batch)
    return home


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["mini"], ["mini-000", "mini-001"]),
        (["!mini"], ["mine", "mini-2024"]),
        (["mini", "!mini-001"], ["mini-000"]),
        (["mini-2024"], ["mini-2024"]),
        (["min[ei]"], ["mine"]),
        (["mini*"], ["mini-000", "mini-001", "mini-2024"]),
        (["min"], []),
    ],
)
def test_patterns_know_it_too(split: Home, patterns, names):
    assert matching(batch_names(split), patterns, family_of(split)) == names


def test_an_arm_takes_the_parts_of_the_batch_that_it_names_and_no_other(split: Home):
    """The edge to its masks, by which recipes, plans and `srft apply` go."""
    arm = ArmSpec(name="sft", training=TrainingSpec(batches=["mini"]))
    masks = checkpoints_stage(arm).upstream[0]
    assert masks.taken(split, batch_names(split), "0") == ["mini-000", "mini-001"]
