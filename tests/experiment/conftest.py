"""What the engine makes of few runs of the teacher, in an experiment's own home."""

import pytest
from rich.console import Console

from srft_assets import experiment
from srft_assets.cli.progress import Bars
from srft_assets.components.launch import Applier, open_instance
from srft_assets.definitions import project
from srft_assets.experiment.design import (
    BATCH,
    NEEDED,
    Design,
    Form,
    Teacher,
    arms_of,
    project_of,
    set_name,
    write_project,
    write_set,
)
from srft_assets.home import Home
from srft_assets.sandbox import Sandbox
from srft_assets.trajectories.batches import LAB, write_batch

REGIME = experiment.REGIME.model_copy(
    update={"held_out_seed": experiment.REGIME.development_seed, "max_new_tokens": 16}
)
"""Tests never play held-out tasks; short answers take less time."""
TINY = Form(seeds=1, tasks=1, runs=8, steps=2, moved=(0.5,), failed_shares=(0.5, 1.0))


@pytest.fixture(scope="session")
def design(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Design:
    """All conditions of a tiny form; their masked tokens are made, nothing is trained."""
    home = Home(tmp_path_factory.mktemp("lab") / "home")
    design = Design(TINY, REGIME, Teacher(home))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SRFT_HOME", str(home.root))
        patch.setenv("DAGSTER_HOME", "")
        write_batch(home, BATCH, LAB, REGIME.batch_settings(TINY.runs))
        write_project(home, {})
        made(home, NEEDED)
        write_set(home, set_name(0.5, 0), design.teacher.moved(0.5, 0))
        arms = arms_of([*design.by_steps(), *design.by_f1(), *design.by_share()])
        write_project(home, arms)
        made(home, [f"masked_tokens/{arm}" for arm in arms])
    return design


def made(home: Home, assets: list[str]) -> None:
    """As `srft apply` makes them, in the project."""
    with open_instance(home) as instance, Bars(Console(quiet=True)) as bars:
        Applier(project(project_of(home)), home, instance, bars).apply(assets, [BATCH], [])
