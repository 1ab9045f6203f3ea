"""Real runs to ingest, and a base model that costs nothing."""

import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import polars as pl
import pytest

from srft_assets.components.asset import stages_in
from srft_assets.definitions import defs
from srft_assets.home import Home
from srft_assets.warehouse.making import recipe_of
from srft_assets.warehouse.partitions import ONLY, Warehouse
from tests.chain.support import put
from tests.tokens.conftest import tokenizer_with

__all__ = ["tokenizer_with"]

BASE_MODEL = "base_models/tiny"


@pytest.fixture(scope="session")
def some_runs(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 real runs of two scaffolds with their reports, and a file that is refused."""
    folder = tmp_path_factory.mktemp("source") / "some"
    mini, openhands = (
        shared / "trajectories" / n for n in ("mini-swe-agent-v1", "openhands-v0.15")
    )
    for run in islice(sorted((mini / "trajs").iterdir()), 12):
        name = run.name.removesuffix(".traj.json")
        copy(run, folder / "mini" / "trajs")
        copy(mini / "logs" / name / "report.json", folder / "mini" / "logs" / name)
    for run in islice(sorted((openhands / "completions").iterdir()), 12):
        copy(run, folder / "openhands" / "completions")
        report = openhands / "reports" / f"{run.stem}.report.json"
        if report.exists():
            copy(report, folder / "openhands" / "reports")
    (folder / "torn.json").write_text('{"messages": [{"role": "user"')
    return folder


def copy(file: Path, folder: Path) -> None:
    """Copy with its times, into a folder that need not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file, folder)


@pytest.fixture(scope="session")
def with_base_model(
    tokenizer_with: Callable, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Home], None]:
    """Put `base_models/tiny` into a platform: a tokenizer without weights, in sync."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer_with().hf.save_pretrained(folder)
    stage = stages_in(defs())[BASE_MODEL]
    row = {"name": "tiny", "path": str(folder)}

    def into(home: Home) -> None:
        recipe = recipe_of(stage, home, Warehouse(home.warehouse), ONLY)
        put(home, stage, pl.DataFrame([row], schema=stage.schema), recipe)

    return into
