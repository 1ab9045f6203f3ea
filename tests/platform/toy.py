"""A graph of three small stages, for specifications of the plan and of the Dagster wrapping."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import polars as pl

from srft_assets.errors import Refusal, SrftError
from srft_assets.warehouse.stage import Made, Stage, Upstream, Work

NUMBERS = pl.Schema({"n": pl.Int64})


@dataclass
class Toy:
    """`source` holds numbers a batch, `even/two` keeps multiples, `total` sums them a seed."""

    sources: dict[str, list[int]] = field(default_factory=lambda: {"a": [1, 2], "b": [4]})
    keep: int = 2
    broken: set[str] = field(default_factory=set)
    made: list[str] = field(default_factory=list)

    def stages(self) -> dict[str, Stage]:
        """The stages by key, with the settings of now."""
        source = Stage(
            key="source",
            partitioned_by="batch",
            upstream=(),
            schema=NUMBERS,
            code={"toy": "1"},
            make=self._source,
            config_of=lambda home, name: {"numbers": self.sources[name]},
        )
        even = replace(
            source,
            key="even/two",
            upstream=(Upstream("source"),),
            make=self._even,
            config={"keep": self.keep},
            config_of=None,
        )
        total = replace(
            source,
            key="total",
            partitioned_by="seed",
            upstream=(Upstream("even/two", "all", ("a", "b*")),),
            make=self._total,
            config_of=None,
        )
        stages = (total, even, source)
        return {stage.key: replace(stage, make=self._noting(stage)) for stage in stages}

    def names(self, kind: str) -> list[str]:
        """Partition names by kind."""
        return sorted(self.sources) if kind == "batch" else ["0"]

    def _noting(self, stage: Stage) -> Callable[[Work], Made]:
        def make(work: Work) -> Made:
            if work.partition in self.broken:
                raise SrftError(f"{work.partition} is broken")
            self.made.append(f"{stage.key}/{work.partition}")
            return stage.make(work)

        return make

    def _source(self, work: Work) -> Made:
        numbers = self.sources[work.partition]
        refused = [
            Refusal(work.partition, "negative", row=i) for i, n in enumerate(numbers) if n < 0
        ]
        rows = [n for n in numbers if n >= 0]
        return Made(pl.DataFrame({"n": rows}, schema=NUMBERS), refused, {"numbers": len(rows)})

    def _even(self, work: Work) -> Made:
        return Made(work.read("source").filter(pl.col("n") % self.keep == 0))

    def _total(self, work: Work) -> Made:
        names = work.input_names("even/two")
        frames = [work.read("even/two", name) for name in names]
        return Made(pl.concat(frames).select(pl.col("n").sum()))


class Silent:
    """A `Progress` that shows nothing."""

    def track(self, items: Iterable, label: str, total: int | None = None) -> Iterator:
        yield from items

    def report(self, label: str, done: int, total: int, note: str = "") -> None:
        pass
