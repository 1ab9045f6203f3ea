"""The resource every asset uses: where the state lives."""

from pathlib import Path
from typing import Any

import dagster as dg

from srft_assets.components.pipes import PipesLaunch
from srft_assets.components.progress import progress_of
from srft_assets.components.server import CriticServer
from srft_assets.home import Home, current_home
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stage import Work
from srft_assets.warehouse.store import Warehouse


class Platform(dg.ConfigurableResource):
    """One platform's state."""

    home_folder: str = ""
    """`SRFT_HOME`; empty means the environment variable, else the checkout."""

    force: bool = False
    """Make partitions again although they are in sync."""
    critic_server: CriticServer
    """Serves the critics that state no `endpoint.base_url`; by default one of no server."""

    def __init__(self, **stated: Any) -> None:
        # Dagster ignores the default of a field that is a resource itself.
        super().__init__(**{"critic_server": CriticServer(), **stated})

    def home(self) -> Home:
        """The folders of this platform."""
        return Home(Path(self.home_folder)) if self.home_folder else current_home()

    def warehouse(self) -> Warehouse:
        """The Parquet partitions of this platform."""
        return Warehouse(self.home().warehouse)

    def work(self, context: dg.AssetExecutionContext, partition: str, recipe: Recipe) -> Work:
        """What a stage is handed to make one partition within a Dagster run."""
        progress = progress_of(context.log)
        return Work(
            home=self.home(),
            warehouse=self.warehouse(),
            partition=partition,
            recipe=recipe,
            run_id=context.run_id,
            progress=progress,
            launch=PipesLaunch(context, progress),
            log=context.log,
            serve=self.critic_server.open,
        )
