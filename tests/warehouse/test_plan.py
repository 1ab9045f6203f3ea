"""The plan: what is in sync, missing, stale and why, or orphaned, over the whole graph."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import polars as pl
import pytest

from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.warehouse.graph import in_order, unasked, with_upstream
from srft_assets.warehouse.idle import IDLE, no_launch
from srft_assets.warehouse.making import MissingInputError, make_partition, recipe_of
from srft_assets.warehouse.plan import Item, State, in_sync, make_plan, orphans
from srft_assets.warehouse.stage import Cost, Made, Stage, Upstream, Work
from srft_assets.warehouse.store import Warehouse

TEXT = pl.Schema({"text": pl.String})


@dataclass
class Graph:
    """`prompt` is instant; `runs` a batch; `verdicts` needs both; `model` all verdicts of `only`.

    What `verdicts` says is the prompt in capitals, so that prompts that differ in case alone get
    the same verdicts.
    """

    home: Home
    words: str = "label"
    comment: str = ""
    runs: dict[str, str] = field(default_factory=lambda: {"a": "1", "b": "2"})
    rate: float = 0.1
    only: tuple[str, ...] = ("*",)
    price: Callable[[Home, str], Cost] = lambda home, batch: Cost(calls=2, answered=1)

    @property
    def stages(self) -> dict[str, Stage]:
        runs = Stage(
            key="runs",
            partitioned_by="batch",
            upstream=(),
            schema=TEXT,
            code={"runs": "1"},
            config_of=lambda home, batch: {"file": self.runs[batch]},
            make=lambda work: row(self.runs[work.partition].strip()),
        )
        prompt = replace(
            runs,
            key="prompt/c",
            partitioned_by="none",
            config={"prompt.md": self.words, "comment": self.comment},
            config_of=None,
            make=lambda work: row(self.words),
            ahead=True,
            kept="versions",
        )
        verdicts = replace(
            runs,
            key="verdicts/c",
            upstream=(Upstream("runs"), Upstream("prompt/c", "whole")),
            config_of=None,
            make=lambda work: row(
                work.read("runs")["text"].item()
                + work.read("prompt/c", "all")["text"].item().upper()
            ),
            cost=self.price,
            on_request=True,
        )
        model = replace(
            runs,
            key="model",
            partitioned_by="seed",
            upstream=(Upstream("verdicts/c", "all", self.only),),
            config={"rate": self.rate},
            config_of=None,
            make=lambda work: row("".join(work.input_names("verdicts/c"))),
        )
        return {stage.key: stage for stage in (model, verdicts, runs, prompt)}

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.home.warehouse)

    def names(self, kind: str) -> list[str]:
        return list(self.runs) if kind == "batch" else ["0"]

    def make(self, *keys: str) -> None:
        """Make what is named, or everything, upstream first."""
        for stage in in_order(self.stages):
            if not keys or stage.key in keys:
                names = (
                    ["all"] if stage.partitioned_by == "none" else self.names(stage.partitioned_by)
                )
                for name in names:
                    recipe = recipe_of(stage, self.home, self.warehouse, name)
                    make_partition(stage, work(self, name, recipe))

    def plan(self, costs: bool = False) -> dict[str, Item]:
        items = make_plan(self.stages, self.home, self.warehouse, self.names, costs=costs)
        return {f"{item.asset}/{item.partition}": item for item in items}

    def away(self) -> dict[str, tuple[State, tuple[str, ...]]]:
        """What is not in sync: its state and why."""
        items = self.plan().items()
        return {name: (item.state, item.why) for name, item in items if item.state != "in sync"}


def row(text: str) -> Made:
    return Made(pl.DataFrame({"text": [text]}, schema=TEXT))


def work(graph: Graph, name: str, recipe) -> Work:
    log = logging.getLogger(__name__)
    return Work(graph.home, graph.warehouse, name, recipe, "test", IDLE, no_launch, log)


@pytest.fixture
def graph(home: Home) -> Graph:
    return Graph(home)


@pytest.fixture
def made(graph: Graph) -> Graph:
    graph.make()
    return graph


def test_of_nothing_sources_are_missing_and_the_rest_waits(graph):
    assert graph.away() == {
        "prompt/c/all": (State.MISSING, ()),
        "runs/a": (State.MISSING, ()),
        "runs/b": (State.MISSING, ()),
        "verdicts/c/a": (State.WAITING, ("for runs/a",)),
        "verdicts/c/b": (State.WAITING, ("for runs/b",)),
        "model/0": (State.WAITING, ("for verdicts/c/a",)),
    }


def test_what_was_made_is_in_sync_and_a_plan_writes_nothing(made):
    before = sorted(made.home.root.rglob("*"))
    assert made.away() == {}
    made.words = "other"
    assert made.away() != {}
    assert sorted(made.home.root.rglob("*")) == before


def test_behind_an_instant_stage_the_plan_sees_what_changed_there(made):
    made.words = "Tag"
    told = ('prompt.md: "label" → "Tag"',)
    assert made.away() == {
        "prompt/c/all": (State.STALE, told),
        "verdicts/c/a": (State.STALE, told),
        "verdicts/c/b": (State.STALE, told),
        "model/0": (State.WAITING, ("for verdicts/c/a",)),
    }


def test_an_instant_stage_that_comes_out_the_same_stops_the_wave_at_once(made):
    made.comment = "x"
    assert made.away() == {"prompt/c/all": (State.STALE, ('comment: "" → "x"',))}


def test_what_changed_is_told_also_when_the_prompt_was_made_already(made):
    made.words = "Tag"
    made.make("prompt/c")
    assert made.away()["verdicts/c/a"] == (State.STALE, ('prompt.md: "label" → "Tag"',))


def test_an_input_that_was_not_there_before_is_new(made):
    old = made.warehouse.stamp("verdicts/c", "a")
    before = replace(old.recipe, inputs={"runs/a": old.recipe.inputs["runs/a"]})
    stamp = replace(old, recipe=before, fingerprint=before.fingerprint)
    made.warehouse.write("verdicts/c", "a", made.warehouse.read("verdicts/c", "a"), stamp)
    assert made.plan()["verdicts/c/a"].why == ("input prompt/c/all is new",)


def test_identical_output_stops_the_wave(made):
    made.words = "LABEL"
    assert "model/0" in made.away()
    made.make("prompt/c", "verdicts/c")
    assert made.away() == {}


def test_a_changed_source_is_named_and_reaches_its_batch_alone(made):
    made.runs["a"] = "9"
    assert made.away() == {
        "runs/a": (State.STALE, ('file: "1" → "9"',)),
        "verdicts/c/a": (State.WAITING, ("for runs/a",)),
        "model/0": (State.WAITING, ("for verdicts/c/a",)),
    }


def test_a_batch_outside_the_pattern_reaches_nothing_further(made):
    made.only = ("a", "b")
    made.make("model")
    made.runs["c"] = "3"
    assert set(made.away()) == {"runs/c", "verdicts/c/c"}


def test_a_new_batch_within_the_pattern_is_waited_for(made):
    made.runs["c"] = "3"
    assert made.away()["model/0"] == (State.WAITING, ("for verdicts/c/c",))
    made.make("runs", "verdicts/c")
    assert made.away() == {"model/0": (State.STALE, ("input verdicts/c/c is new",))}


def test_what_waits_says_behind_what(made):
    made.runs["a"] = "9"
    assert made.plan()["model/0"].behind == "verdicts/c/a"
    assert made.plan()["runs/a"].behind == ""


def test_costs_are_those_of_what_is_known_to_be_made(made):
    asked: list[str] = []
    made.price = lambda home, batch: asked.append(batch) or Cost(calls=3, answered=1, usd=0.5)
    assert all(item.cost is None for item in made.plan(costs=True).values())
    assert asked == []
    made.words = "Tag"
    assert made.plan()["verdicts/c/a"].cost is None
    items = made.plan(costs=True)
    assert asked == ["a", "b"]
    total = sum((item.cost for item in items.values() if item.cost), Cost())
    assert total == Cost(calls=6, answered=2, usd=1.0)
    made.runs["b"] = "9"
    assert made.plan(costs=True)["verdicts/c/b"].cost is None, "its runs are not read yet"


def test_without_a_matching_partition_it_is_told_what_to_make(made):
    made.only = ("lab-*",)
    state, (why,) = made.away()["model/0"]
    assert state is State.WAITING
    assert (
        why
        == "verdicts/c has no partition that matches lab-*: make it first (srft apply verdicts/c)"
    )
    with pytest.raises(MissingInputError, match=r"matches lab-\*"):
        recipe_of(made.stages["model"], made.home, made.warehouse, "0")


def test_one_partition_alone(made):
    verdicts = made.stages["verdicts/c"]
    assert in_sync(verdicts, made.home, "a")
    made.warehouse.path("verdicts/c", "a").unlink()
    assert not in_sync(verdicts, made.home, "a")
    assert not in_sync(verdicts, made.home, "never")


def test_orphans_are_of_assets_and_batches_that_are_gone(made):
    assert orphans(made.stages, made.warehouse, made.names) == []
    del made.runs["b"]
    stages = made.stages
    del stages["model"]
    found = orphans(stages, made.warehouse, made.names)
    assert [(item.asset, item.partition, item.state, item.why) for item in found] == [
        ("model", "0", State.ORPHANED, ("no such asset any more",)),
        ("runs", "b", State.ORPHANED, ("no such batch any more",)),
        ("verdicts/c", "b", State.ORPHANED, ("no such batch any more",)),
    ]


def test_earlier_versions_are_no_orphans(made):
    made.words = "Tag"
    made.make()
    assert len(list((made.home.warehouse / "versions").rglob("*.parquet"))) == 2
    assert orphans(made.stages, made.warehouse, made.names) == []


def test_stages_come_after_all_they_need(graph):
    assert [stage.key for stage in in_order(graph.stages)] == [
        "prompt/c",
        "runs",
        "verdicts/c",
        "model",
    ]


def test_what_is_named_brings_what_it_needs_and_no_more(graph):
    assert set(with_upstream(graph.stages, ["verdicts/c"])) == {"prompt/c", "runs", "verdicts/c"}
    with pytest.raises(UsageError, match=r"no asset 'x'; there are: model, prompt/c, runs"):
        with_upstream(graph.stages, ["x"])


def test_what_costs_money_is_made_where_it_is_needed_only(graph):
    stages = graph.stages
    assert "verdicts/c" in unasked(stages)
    del stages["model"]
    assert set(unasked(stages)) == {"runs", "prompt/c"}
