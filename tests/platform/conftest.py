"""A platform with a toy graph."""

import dagster as dg
import pytest

from srft_assets.components.asset import build_asset
from srft_assets.components.launch import Applier, open_instance
from srft_assets.components.platform import Platform
from srft_assets.home import Home
from srft_assets.trajectories.batches import write_batch
from tests.platform.toy import Silent, Toy


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def apply(home: Home, toy: Toy, monkeypatch: pytest.MonkeyPatch):
    """Apply the toy graph as it is now; returns what was made, in order. `failed`: what failed."""
    monkeypatch.setenv("SRFT_HOME", str(home.root))
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    with open_instance(home) as instance:

        def go(*wanted: str) -> list[str]:
            assets = [build_asset(stage) for stage in toy.stages().values()]
            defs = dg.Definitions(
                assets=assets,
                resources={"platform": Platform()},
                executor=dg.in_process_executor,
            )
            for batch in toy.names("batch"):
                write_batch(home, batch, "toy", {})
            toy.made.clear()
            applier = Applier(defs, home, instance, Silent())
            go.failed = applier.apply(wanted, toy.names("batch"), ["0"]).failed
            return list(toy.made)

        go.instance = instance
        yield go
