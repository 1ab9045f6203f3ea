"""What is replaced stays, in another place, and costs a link."""

import logging
from pathlib import Path

import polars as pl
import pytest

from srft_assets.home import Home
from srft_assets.warehouse.making import History, make_partition, recipe_of
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.stage import IDLE, Made, Stage, Work, no_launch

NUMBERS = pl.Schema({"n": pl.Int64})


def stage(n: int) -> Stage:
    return Stage(
        key="step_verdicts/c",
        partitioned_by="batch",
        upstream=(),
        schema=NUMBERS,
        code={},
        config={"n": n},
        make=lambda work: Made(pl.DataFrame({"n": [n]}, schema=NUMBERS)),
        kept="verdict_versions",
    )


def make(home: Home, n: int, partition: str = "a") -> None:
    made, warehouse = stage(n), Warehouse(home.warehouse)
    recipe = recipe_of(made, home, warehouse, partition)
    log = logging.getLogger(__name__)
    make_partition(made, Work(home, warehouse, partition, recipe, "test", IDLE, no_launch, log))


def history(home: Home, partition: str) -> History:
    return History(home, "step_verdicts/c", "verdict_versions", partition)


def kept(home: Home, partition: str = "a") -> list[Path]:
    return sorted((home.warehouse / "verdict_versions" / "c" / partition).iterdir())


def numbers(home: Home, partition: str = "a") -> list[int]:
    return sorted(pl.read_parquet(path)["n"].item() for path in kept(home, partition))


def test_every_version_stays_that_of_now_among_them(home):
    for n in (1, 2, 3):
        make(home, n)
    assert numbers(home) == [1, 2, 3]
    assert Warehouse(home.warehouse).read("step_verdicts/c", "a")["n"].item() == 3


def test_a_version_that_comes_back_is_there_once(home):
    for n in (1, 2, 1, 2):
        make(home, n)
    assert numbers(home) == [1, 2]


def test_a_version_is_linked_not_copied(home):
    make(home, 1)
    now = Warehouse(home.warehouse).path("step_verdicts/c", "a")
    (version,) = kept(home)
    assert version.samefile(now)
    make(home, 2)
    assert not version.samefile(now)


def test_without_links_it_is_copied(home, monkeypatch):
    def refuse(source: Path, target: Path) -> None:
        raise OSError(38, "no links here")

    monkeypatch.setattr("os.link", refuse)
    make(home, 1)
    make(home, 2)
    assert numbers(home) == [1, 2]


def test_versions_of_other_partitions_lie_apart(home):
    make(home, 1, "a")
    make(home, 2, "b")
    assert (numbers(home, "a"), numbers(home, "b")) == ([1], [2])


def test_stamps_of_the_versions_say_what_each_was_made_from(home):
    for n in (1, 2):
        make(home, n)
    found = {stamp.recipe.config["n"] for stamp in history(home, "a").stamps()}
    assert found == {1, 2}
    assert list(history(home, "never").stamps()) == []


def test_a_death_between_writing_and_keeping_loses_nothing(home, monkeypatch):
    """What was written is kept when it is replaced, if that was not done before."""
    calls: list[str] = []

    def dies(history: History) -> None:
        calls.append(history.partition)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(History, "keep", dies)
        with pytest.raises(KeyboardInterrupt):
            make(home, 1)
    assert Warehouse(home.warehouse).read("step_verdicts/c", "a")["n"].item() == 1
    make(home, 2)
    assert numbers(home) == [1, 2]


def test_what_a_killed_process_left_is_no_version(home):
    make(home, 1)
    (kept(home)[0].parent / ".x.parquet.1234.tmp").write_bytes(b"torn")
    assert len(list(history(home, "a").stamps())) == 1
