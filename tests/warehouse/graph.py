"""A small graph of stages whose plan can be told by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import polars as pl

from srft_assets.home import Home
from srft_assets.warehouse.cost import Cost
from srft_assets.warehouse.making import make_partition, work_alone
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.plan import Costs, Item, State, make_plan
from srft_assets.warehouse.stage import Made, Stage, Upstream, in_order

TEXT = pl.Schema({"text": pl.String})


@dataclass
class Graph:
    """`prompt` shows what `verdicts` reads for itself; `runs` a batch; `model` all verdicts of
    `only`.

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
            code={"version": 1},
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
            kept="versions",
        )
        verdicts = replace(
            runs,
            key="verdicts/c",
            upstream=(Upstream("runs"), Upstream("prompt/c", "whole", decides=False)),
            config={"prompt.md": self.words},
            config_of=None,
            make=lambda work: row(work.read("runs")["text"].item() + self.words.upper()),
            estimate=lambda planned: replace(self.price(self.home, planned.partition), exact=False),
            count=lambda planned: self.price(self.home, planned.partition),
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
                    make_partition(stage, work_alone(stage, self.home, name))

    def plan(self, costs: Costs = Costs.NONE) -> dict[str, Item]:
        items = make_plan(self.stages, self.home, self.warehouse, self.names, costs=costs)
        return {f"{item.asset}/{item.partition}": item for item in items}

    def away(self) -> dict[str, tuple[State, tuple[str, ...]]]:
        """What is not in sync: its state and why."""
        items = self.plan().items()
        return {name: (item.state, item.why) for name, item in items if item.state != "in sync"}


def row(text: str) -> Made:
    return Made(pl.DataFrame({"text": [text]}, schema=TEXT))
