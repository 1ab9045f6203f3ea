"""The command line's door to Dagster: materialize what is out of sync, in this process."""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import dagster as dg

from srft_assets.components.abandoned import process_tags
from srft_assets.components.ended import failure_of, interrupted
from srft_assets.components.partitions import BATCHES, SEEDS
from srft_assets.components.progress import shown_on
from srft_assets.components.settings import instance_in
from srft_assets.components.slots import free_left, looked_after
from srft_assets.components.stages import stages_in
from srft_assets.components.untold import tell_untold
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.warehouse.graph import in_order, unasked, with_upstream
from srft_assets.warehouse.plan import State, state_of
from srft_assets.warehouse.stage import Partitioning, Progress, Stage
from srft_assets.warehouse.store import ONLY, Warehouse

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def open_instance(home: Home) -> dg.DagsterInstance:
    """The Dagster instance of this platform; its folder and `dagster.yaml` are made if absent."""
    from srft_assets.instance import prepare_instance

    folder = prepare_instance(home)
    os.environ["DAGSTER_HOME"] = str(folder)
    # A connection that an interrupt closes half-way is logged with a traceback; it is no failure.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    instance = instance_in(folder)
    free_left(instance)
    return instance


@dataclass(frozen=True)
class Outcome:
    """What `apply` did: partitions made and left alone, by asset."""

    made: dict[str, list[str]] = field(default_factory=dict)
    kept: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Applier:
    """Makes what is out of sync, upstream first, one Dagster run per asset and range."""

    defs: dg.Definitions
    home: Home
    instance: dg.DagsterInstance
    progress: Progress

    def apply(self, wanted: Sequence[str], batches: Sequence[str], seeds: Sequence[str]) -> Outcome:
        """Make the wanted assets and all they need. Raises SrftError when a run fails.

        The state of a stage is looked at after its inputs were made: identical output
        stops the wave.
        """
        stages = stages_in(self.defs)
        chosen = with_upstream(stages, wanted) if wanted else unasked(stages)
        self.register(batches)
        outcome = Outcome()
        for stage in in_order(chosen):
            names = self._names(stage.partitioned_by, batches, seeds)
            made = self._make(stage, names)
            outcome.made[stage.key] = made
            outcome.kept[stage.key] = [name for name in names if name not in made]
            tell_untold(self.instance, stage, self.home, outcome.kept[stage.key])
        return outcome

    def _make(self, stage: Stage, names: Sequence[str]) -> list[str]:
        """Make what is not in sync; what was made.

        Batches of runs look at one another: one that was made may put another out of sync.
        """
        made: list[str] = []
        while stale := [n for n in names if n not in made and not self._in_sync(stage, n)]:
            for run in consecutive(stale, self._all(stage.partitioned_by)):
                self._materialize(stage, run)
            made += stale
        return made

    def register(self, batches: Sequence[str]) -> None:
        """Make the batches known to Dagster; those it knows already stay."""
        self.instance.add_dynamic_partitions(BATCHES.name or "batch", list(batches))

    def _in_sync(self, stage: Stage, name: str) -> bool:
        item = state_of(stage, self.home, Warehouse(self.home.warehouse), name)
        if item.state is State.WAITING:
            raise SrftError(f"{stage.key}/{name}: {'; '.join(item.why)}")
        return item.state is State.IN_SYNC

    @staticmethod
    def _names(kind: Partitioning, batches: Sequence[str], seeds: Sequence[str]) -> Sequence[str]:
        return {"batch": batches, "seed": seeds, "none": [ONLY]}[kind]

    def _all(self, kind: Partitioning) -> Sequence[str]:
        if kind == "batch":
            return self.instance.get_dynamic_partitions(BATCHES.name or "batch")
        return SEEDS.get_partition_keys() if kind == "seed" else [ONLY]

    def _materialize(self, stage: Stage, names: Sequence[str]) -> None:
        tags = process_tags()
        if stage.partitioned_by != "none":
            tags |= {RANGE_START: names[0], RANGE_END: names[-1]}
        # The job that the UI starts, too: it shows such a run as a materialization.
        job = self.defs.resolve_implicit_global_asset_job_def()
        label = f"{stage.key} {names[0]}"

        def tell(note: str) -> None:
            self.progress.report(label, 0, 0, note)

        with shown_on(self.progress), looked_after(self.instance, tell):
            result = job.execute_in_process(
                asset_selection=[dg.AssetKey(stage.key.split("/"))],
                instance=self.instance,
                tags=tags,
                run_config=QUIET,
                raise_on_error=False,
            )
        if not result.success:
            if interrupted(result):
                raise KeyboardInterrupt
            raise SrftError(failure_of(result))


def consecutive(names: Sequence[str], order: Sequence[str]) -> Iterator[list[str]]:
    """The names in runs of neighbours in `order`: one Dagster run takes one range."""
    place = {name: index for index, name in enumerate(order)}
    ranked = sorted((place[name], name) for name in names)
    for _, group in groupby(enumerate(ranked), key=lambda pair: pair[1][0] - pair[0]):
        yield [name for _, (_, name) in group]
