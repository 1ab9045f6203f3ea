"""The command line's door to Dagster: materialize what is out of sync, in this process."""

import logging
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from sqlalchemy.exc import DatabaseError

from srft_assets.components.asset import FAILED, WAITING, asset_key, stages_in
from srft_assets.components.partitioning import BATCH, SEED, name_of, to_know
from srft_assets.components.platform import shown_on
from srft_assets.components.run_repair import free_left, locked_run, looked_after, untold
from srft_assets.database.backup import is_damage
from srft_assets.errors import SrftError
from srft_assets.files import place
from srft_assets.home import Home
from srft_assets.instance import prepare_instance
from srft_assets.platform.planning import Outcome, Wish
from srft_assets.seeds import asked_seeds
from srft_assets.warehouse.partitions import ONLY, Warehouse
from srft_assets.warehouse.plan import State, state_of
from srft_assets.warehouse.stage import Progress, Stage

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
OURS = ".srft-cli.yaml"
REPAIR = "srft doctor --repair names what is damaged and moves it aside"
DATABASES = ("history", "schedules")
"""Folders of the instance's SQLite databases."""
NO_CAPTURE = {
    # Where Dagster's reference of dagster.yaml says it is; there is no other name of it.
    "module": "dagster._core.storage.noop_compute_log_manager",
    "class": "NoOpComputeLogManager",
}


def open_instance(home: Home) -> dg.DagsterInstance:
    """The Dagster instance of this platform; its folder and `dagster.yaml` are made if absent."""
    folder = prepare_instance(home)
    os.environ["DAGSTER_HOME"] = str(folder)
    # A connection that an interrupt closes half-way is logged with a traceback; it is no failure.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    try:
        instance = instance_in(folder)
        instance.add_dynamic_partitions(SEED, asked_seeds(home))
        free_left(instance, home)
    except (yaml.YAMLError, DatabaseError, dg.DagsterInvalidConfigError) as error:
        told = " ".join(str(getattr(error, "orig", error)).split())[:200]
        passing = isinstance(error, DatabaseError) and not is_damage(error.orig)
        raise SrftError(
            f"{folder}: Dagster's settings or databases cannot be read ({told}): "
            + ("run again once that is over" if passing else REPAIR)
        ) from error
    return instance


def instance_in(folder: Path) -> dg.DagsterInstance:
    """The instance of `folder`, without the capture of standard output unless it is stated.

    Capture starts four processes a run, costs 0.2 s of it, and comes between the progress bars
    and the terminal; the output of subprocesses is in the event log anyway.
    """
    stated = yaml.safe_load((folder / "dagster.yaml").read_text(encoding="utf-8")) or {}
    content = yaml.safe_dump({"compute_logs": NO_CAPTURE, **stated}).encode()
    ours = folder / OURS
    if not ours.exists() or ours.read_bytes() != content:
        place(ours, content)
    if "storage" not in stated:
        _make_databases(folder, content)
    return dg.DagsterInstance.from_config(str(folder), OURS)


def _make_databases(folder: Path, settings: bytes) -> None:
    """Put Dagster's SQLite databases in place whole, where they are absent.

    Dagster makes their tables one by one: killed in between, it never makes the rest.
    """
    absent = [name for name in DATABASES if not (folder / name).exists()]
    if not absent:
        return
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder) as beside:
        (Path(beside) / OURS).write_bytes(settings)
        with dg.DagsterInstance.from_config(beside, OURS) as instance:
            instance.get_runs(limit=1)
            instance.get_dynamic_partitions(BATCH)
            instance.all_instigator_state()
        for name in absent:
            try:
                (Path(beside) / name).rename(folder / name)
            except OSError:
                if not (folder / name).exists():  # where it does, another process was first
                    raise


@dataclass(frozen=True)
class Applier:
    """Makes what is out of sync, upstream first, one Dagster run per asset and range.

    `settings`: of the resource `platform`, for all its runs.
    """

    defs: dg.Definitions
    home: Home
    instance: dg.DagsterInstance
    progress: Progress
    settings: Mapping[str, Any] = field(default_factory=dict)

    def apply(self, wanted: Sequence[str], batches: Sequence[str], seeds: Sequence[str]) -> Outcome:
        """Make the wanted assets and all they need.

        The state of a stage is looked at after its inputs were made: identical output stops the
        wave. A partition that fails stops what is behind it and nothing else.
        """
        wish = Wish(wanted, batches, seeds)
        outcome, stages = Outcome(), stages_in(self.defs)
        assets = self.defs.resolve_asset_graph().assets_defs
        for kind, names in to_know(assets, self.home).items():
            self.instance.add_dynamic_partitions(kind, names)
        for stage in wish.stages(stages):
            if kind := name_of(self._partitions(stage)):
                self.instance.add_dynamic_partitions(kind, list(wish.names(stage.partitioned_by)))
            self._make(stage, wish.names(stage.partitioned_by), outcome)
            for event in untold(self.instance, stage, self.home, outcome.kept[stage.key]):
                self.instance.report_runless_asset_event(event)
        return outcome

    def _make(self, stage: Stage, names: Sequence[str], outcome: Outcome) -> None:
        """Make what is not in sync and can be made."""
        warehouse = Warehouse(self.home.warehouse)
        failed: dict[str, str] = {}
        waiting: dict[str, str] = {}
        stale: list[str] = []
        for name in names:
            item = state_of(stage, self.home, warehouse, name)
            if behind := _input_in(self.home, outcome.failed, stage, name, ("same", "whole")):
                failed[name] = f"waits for {behind}, which failed"
            elif behind := _input_in(
                self.home, outcome.waiting, stage, name, ("same", "whole", "all")
            ):
                waiting[name] = f"for {behind}"
            elif item.state is State.WAITING:
                behind = _input_in(self.home, outcome.failed, stage, name, ("all",))
                failed[name] = (
                    f"waits for {behind}, which failed" if behind else "; ".join(item.why)
                )
            elif item.state is not State.IN_SYNC:
                stale.append(name)
        for run in consecutive(stale, self._all(stage)):
            result = self._materialize(stage, run)
            failed |= result[FAILED]
            waiting |= result[WAITING]
        left = {*failed, *waiting}
        outcome.made[stage.key] = [name for name in stale if name not in left]
        outcome.kept[stage.key] = [name for name in names if name not in {*stale, *left}]
        if failed:
            outcome.failed[stage.key] = failed
        if waiting:
            outcome.waiting[stage.key] = waiting

    def _all(self, stage: Stage) -> Sequence[str]:
        defined = self._partitions(stage)
        if defined is None:
            return [ONLY]
        return defined.get_partition_keys(dynamic_partitions_store=self.instance)

    def _partitions(self, stage: Stage) -> dg.PartitionsDefinition | None:
        return self.defs.resolve_asset_graph().get(asset_key(stage.key)).partitions_def

    def _materialize(self, stage: Stage, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """One run over neighbours; the partitions that `FAILED`, those that are `WAITING`, and why.

        Raises SrftError where the run fails as a whole.
        """
        ranged = {RANGE_START: names[0], RANGE_END: names[-1]}
        # The job that the UI starts, too: it shows such a run as a materialization.
        job = self.defs.resolve_implicit_global_asset_job_def()

        def tell(note: str) -> None:
            self.progress.report(f"{stage.key} {names[0]}", 0, 0, note)

        tell("")
        with (
            locked_run(self.home) as tags,
            shown_on(self.progress),
            looked_after(self.instance, self.home, tags, tell),
        ):
            result = job.execute_in_process(
                asset_selection=[asset_key(stage.key)],
                instance=self.instance,
                tags=tags if stage.partitioned_by == "none" else tags | ranged,
                run_config=QUIET | _of_platform(self.settings),
                raise_on_error=False,
            )
        return {FAILED: {}, WAITING: {}} if result.success else _failures(result)


def _of_platform(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"resources": {"platform": {"config": dict(settings)}}} if settings else {}


def _input_in(
    home: Home, left: Mapping[str, Mapping[str, str]], stage: Stage, name: str, by: Collection[str]
) -> str:
    """The first input of a partition that was left unmade, by edges of these mappings; else empty.

    What is behind it waits. Of all batches one that fails stops no training, and one that waits
    does: it is there the next time.
    """
    for edge in stage.upstream:
        missing = edge.taken(home, left.get(edge.asset, {}), name)
        if edge.decides and edge.mapping in by and missing:
            return f"{edge.asset}/{missing[0]}"
    return ""


def _failures(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, str]]:
    """`FAILED` and `WAITING` → partition → reason, as the step that failed says.

    Raises KeyboardInterrupt where the run ended by Ctrl-C, which Dagster takes for a failure of
    the step, and SrftError with the reason in one line where the step failed as a whole.
    """
    failures = [e.step_failure_data for e in result.all_events if e.is_step_failure]
    if any(str(one.error_source).endswith("INTERRUPT") for one in failures):
        raise KeyboardInterrupt
    for failure in failures:
        told = failure.user_failure_data
        if told is not None and {FAILED, WAITING} <= told.metadata.keys():
            return {what: reasons(told.metadata[what]) for what in (FAILED, WAITING)}
        if told is not None and told.description:
            raise SrftError(told.description)
        if failure.error is not None:
            raise SrftError((failure.error.cause or failure.error).message.strip())
    raise SrftError("the run failed before its first step: see `srft` with --debug")


def reasons(told: dg.MetadataValue) -> dict[str, str]:
    """Partition → reason, of `FAILED` or `WAITING`."""
    assert isinstance(told, dg.JsonMetadataValue) and isinstance(told.value, dict)
    return {str(name): str(reason) for name, reason in told.value.items()}


def consecutive(names: Sequence[str], *orders: Sequence[str]) -> Iterator[list[str]]:
    """The names in runs of neighbours in each of `orders`: one Dagster run takes one range of each
    of its assets."""
    places = [{name: index for index, name in enumerate(order)} for order in orders]
    run: list[str] = []
    for name in sorted(names, key=places[0].__getitem__):
        if run and any(place[name] != place[run[-1]] + 1 for place in places):
            yield run
            run = []
        run.append(name)
    if run:
        yield run
