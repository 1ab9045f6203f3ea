"""The command line's door to Dagster: materialize what is out of sync, in this process."""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import dagster as dg

from srft_assets.components.abandoned import process_tags
from srft_assets.components.ended import failure_of, failures_of, interrupted
from srft_assets.components.partitions import BATCHES, SEEDS
from srft_assets.components.progress import shown_on
from srft_assets.components.settings import instance_in
from srft_assets.components.slots import free_left, looked_after
from srft_assets.components.stages import stages_in
from srft_assets.components.untold import untold
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.planning import Outcome, Wish
from srft_assets.warehouse.plan import Item, State, state_of
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
class Applier:
    """Makes what is out of sync, upstream first, one Dagster run per asset and range."""

    defs: dg.Definitions
    home: Home
    instance: dg.DagsterInstance
    progress: Progress

    def apply(self, wanted: Sequence[str], batches: Sequence[str], seeds: Sequence[str]) -> Outcome:
        """Make the wanted assets and all they need.

        The state of a stage is looked at after its inputs were made: identical output stops the
        wave. A partition that fails stops what is behind it and nothing else.
        """
        wish = Wish(wanted, batches, seeds)
        self.register(batches)
        outcome = Outcome()
        for stage in wish.stages(stages_in(self.defs)):
            self._make(stage, wish.names(stage.partitioned_by), outcome)
            for event in untold(self.instance, stage, self.home, outcome.kept[stage.key]):
                self.instance.report_runless_asset_event(event)
        return outcome

    def _make(self, stage: Stage, names: Sequence[str], outcome: Outcome) -> None:
        """Make what is not in sync and can be made."""
        failed: dict[str, str] = {}
        stale: list[str] = []
        for name in names:
            item = self._state(stage, name)
            if reason := self._failed_input(stage, name, outcome):
                failed[name] = reason
            elif item.state is State.WAITING:
                failed[name] = "; ".join(item.why)
            elif item.state is not State.IN_SYNC:
                stale.append(name)
        for run in consecutive(stale, self._all(stage.partitioned_by)):
            failed |= self._materialize(stage, run)
        outcome.made[stage.key] = [name for name in stale if name not in failed]
        outcome.kept[stage.key] = [name for name in names if name not in (*stale, *failed)]
        if failed:
            outcome.failed[stage.key] = failed

    def _state(self, stage: Stage, name: str) -> Item:
        return state_of(stage, self.home, Warehouse(self.home.warehouse), name)

    @staticmethod
    def _failed_input(stage: Stage, name: str, outcome: Outcome) -> str:
        """The input of a partition that failed, in words: what is behind it waits; else empty."""
        for edge in stage.upstream:
            partition = name if edge.mapping == "same" else ONLY
            failed = outcome.failed.get(edge.asset, {})
            if edge.decides and edge.mapping != "all" and partition in failed:
                return f"waits for {edge.asset}/{partition}, which failed"
        return ""

    def register(self, batches: Sequence[str]) -> None:
        """Make the batches known to Dagster; those it knows already stay."""
        self.instance.add_dynamic_partitions(BATCHES.name or "batch", list(batches))

    def _all(self, kind: Partitioning) -> Sequence[str]:
        if kind == "batch":
            return self.instance.get_dynamic_partitions(BATCHES.name or "batch")
        return SEEDS.get_partition_keys() if kind == "seed" else [ONLY]

    def _materialize(self, stage: Stage, names: Sequence[str]) -> dict[str, str]:
        """One run over neighbours; the partitions that failed, and why.

        Raises SrftError where the run fails as a whole.
        """
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
        if result.success:
            return {}
        if interrupted(result):
            raise KeyboardInterrupt
        failed = failures_of(result)
        if failed is None:
            raise SrftError(failure_of(result))
        return failed


def consecutive(names: Sequence[str], order: Sequence[str]) -> Iterator[list[str]]:
    """The names in runs of neighbours in `order`: one Dagster run takes one range."""
    place = {name: index for index, name in enumerate(order)}
    ranked = sorted((place[name], name) for name in names)
    for _, group in groupby(enumerate(ranked), key=lambda pair: pair[1][0] - pair[0]):
        yield [name for _, (_, name) in group]
