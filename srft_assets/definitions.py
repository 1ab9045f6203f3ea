"""The whole platform: what the files below `defs/` state, and what no YAML states."""

from pathlib import Path

import dagster as dg

# Before the loader, which restores the warning filters that it found.
import srft_assets.components  # noqa: F401
from srft_assets import defs as defs_folder
from srft_assets.components.asset import build_asset, stages_in
from srft_assets.components.checks import in_sync_checks, sql_check, watch_checks
from srft_assets.components.platform import CriticServer, Platform
from srft_assets.home import CHECKOUT
from srft_assets.stages import comparisons, fixed_stages, load_stages

NUMBERED = "Steps of a run are numbered 0, 1, 2, …"
GRADED = "Every run has one outcome, and test counts fit its status"


@dg.definitions
def defs() -> dg.Definitions:
    """Assets, checks, jobs, sensors, schedules and resources of the platform."""
    # `dg.load_from_defs_folder` wants a `pyproject.toml` around, which an installed package lacks.
    tree = dg.ComponentTree.from_module(defs_module=defs_folder, project_root=CHECKOUT)
    loaded = dg.Definitions.merge(tree.build_defs(), fixed(), resources())
    stages = stages_in(loaded)
    compared = comparisons(list(stages.values()))
    keys = [*stages, *(stage.key for stage in compared)]
    more = dg.Definitions(
        assets=[build_asset(stage) for stage in compared],
        asset_checks=[in_sync_checks(keys, load_stages), watch_checks(stages)],
    )
    return dg.Definitions.merge(loaded, more)


def fixed() -> dg.Definitions:
    """Runs, what the tests said of them, gold labels, base model; their checks."""
    return dg.Definitions(
        assets=[build_asset(stage) for stage in fixed_stages()],
        asset_checks=[
            sql_check(
                "trajectories", "steps_consecutive", "Steps of a run are numbered 0, 1, 2, …"
            ),
            sql_check("trajectories", "trajectory_ids_unique", "A batch holds a run once"),
            sql_check("test_outcomes", "outcomes_add_up", GRADED),
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
    return dg.Definitions.merge(dg.Definitions(assets=assets), resources())
