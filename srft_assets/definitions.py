"""The whole platform: what the files below `defs/` state, and what no YAML states."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg

# Before the loader, which restores the warning filters that it found.
import srft_assets.components  # noqa: F401
from srft_assets import defs as defs_folder
from srft_assets.components.arm import Arm
from srft_assets.components.asset import build_asset, stages_in
from srft_assets.components.checks import in_sync_checks, sql_check, watch_checks
from srft_assets.components.critic import Critic
from srft_assets.components.partitioning import partitions_of
from srft_assets.components.platform import CriticServer, Platform
from srft_assets.home import CHECKOUT
from srft_assets.platform.stages import comparisons, fixed_stages, load_stages, specs_of_file
from srft_assets.project.folder import current_project, own_files, refuse_twins
from srft_assets.project.settings import Relabel, settings
from srft_assets.tokens.arm import ArmSpec
from srft_assets.warehouse.stage import unasked

NUMBERED = "Steps of a run are numbered 0, 1, 2, …"
UNIQUE = "A batch holds a run once"
RUNS = {"family": "runs"}
GRADED = "Every run has one outcome, and test counts fit its status"


@dg.definitions
def defs() -> dg.Definitions:
    """Assets, checks, jobs, sensors, schedules and resources of the platform."""
    # `dg.load_from_defs_folder` wants a `pyproject.toml` around, which an installed package lacks.
    tree = dg.ComponentTree.from_module(defs_module=defs_folder, project_root=CHECKOUT)
    mine = own()
    loaded = dg.Definitions.merge(without(tree.build_defs(), mine), mine, fixed(), resources())
    loaded = with_freshness(apart(loaded), settings().relabel)
    stages = stages_in(loaded)
    compared = comparisons(list(stages.values()))
    known = {**stages, **{stage.key: stage for stage in compared}}
    more = dg.Definitions(
        assets=[build_asset(stage) for stage in compared],
        asset_checks=[in_sync_checks(known, load_stages), watch_checks(stages, load_stages)],
    )
    return dg.Definitions.merge(loaded, more)


def apart(loaded: dg.Definitions) -> dg.Definitions:
    """The definitions, with partitions of their own for what nobody needs unless it is named."""
    stages = stages_in(loaded)
    # What needs an asset that nobody states is told by srft check and the plan, and stops no page.
    stated = {
        key: replace(stage, upstream=tuple(e for e in stage.upstream if e.asset in stages))
        for key, stage in stages.items()
    }
    needed = unasked(stated)

    def placed(spec: dg.AssetSpec) -> dg.AssetSpec:
        stage = stages.get(spec.key.to_user_string())
        if stage is None or stage.key in needed:
            return spec
        return spec.replace_attributes(partitions_def=partitions_of(stage, needed))

    return loaded.map_asset_specs(func=placed)


def with_freshness(loaded: dg.Definitions, stated: Relabel) -> dg.Definitions:
    """The definitions, with a freshness policy on the verdicts that the schedule looks after."""
    if stated.overdue_hours is None:
        return loaded
    policy = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=stated.overdue_hours))

    def looked_after(spec: dg.AssetSpec) -> dg.AssetSpec:
        kind, *name = spec.key.path
        if kind != "step_verdicts" or (
            stated.critics is not None and name[0] not in stated.critics
        ):
            return spec
        return spec.replace_attributes(freshness_policy=policy)

    return loaded.map_asset_specs(func=looked_after)


def own() -> dg.Definitions:
    """The project's critics and arms."""
    built = []
    refuse_twins()
    for path in own_files():
        for spec in specs_of_file(path):
            one = Arm(spec) if isinstance(spec, ArmSpec) else Critic(path.parent, spec)
            built.append(one.build_defs())
    return dg.Definitions.merge(*built) if built else dg.Definitions()


def without(shipped: dg.Definitions, mine: dg.Definitions) -> dg.Definitions:
    """What is shipped, less the critics and arms in whose place one's own stand."""
    replaced = {(key.path[0], key.path[-1]) for one in mine.assets or () for key in _keys(one)}
    kinds = {("critic_prompt", name) for kind, name in replaced if kind == "step_verdicts"}

    def stays(one: Any) -> bool:
        return not any((key.path[0], key.path[-1]) in replaced | kinds for key in _keys(one))

    # Dagster takes one tree: that of a project's own package goes before ours.
    tree = shipped.component_tree if current_project().root == CHECKOUT else None
    return dg.Definitions(
        assets=[one for one in shipped.assets or () if stays(one)],
        asset_checks=[one for one in shipped.asset_checks or () if stays(one)],
        jobs=shipped.jobs,
        schedules=shipped.schedules,
        sensors=shipped.sensors,
        component_tree=tree,
    )


def _keys(one: Any) -> Iterable[dg.AssetKey]:
    """The assets that a definition makes or checks."""
    return {*one.keys, *(check.asset_key for check in one.check_keys)}


def fixed() -> dg.Definitions:
    """Runs, what the tests said of them, gold labels, base model; their checks."""
    return dg.Definitions(
        assets=[build_asset(stage) for stage in fixed_stages()],
        asset_checks=[
            sql_check("trajectories", "steps_consecutive", NUMBERED, tags=RUNS),
            sql_check("trajectories", "trajectory_ids_unique", UNIQUE, tags=RUNS),
            sql_check("test_outcomes", "outcomes_add_up", GRADED, tags=RUNS),
        ],
    )


def resources() -> dg.Definitions:
    """What every run uses, as the environment states it now."""
    return dg.Definitions(
        resources={"platform": Platform(critic_server=CriticServer.from_settings())},
        # Stages are heavy or tiny: the heavy ones start subprocesses of their own, and a process
        # for each of the tiny ones would cost more than they do. A step that made some of its
        # partitions fails at its end, and what is behind the good ones is made all the same.
        executor=dg.in_process_executor.configured(
            {"step_dependency_config": {"require_upstream_step_success": False}}
        ),
    )


def project(folder: Path) -> dg.Definitions:
    """The assets of the critics and arms below a folder, in the place of the shipped ones."""
    assets = [build_asset(stage) for stage in load_stages(folder).values()]
    return apart(dg.Definitions.merge(dg.Definitions(assets=assets), resources()))
