"""The folder of the Dagster instance: made on first use, with our `dagster.yaml`."""

import os
from pathlib import Path

from srft_assets.home import CHECKOUT, Home


def prepare_instance(home: Home) -> Path:
    """Make `<home>/dagster_home` with its settings, and return it.

    A `dagster.yaml` that is already there is the user's and stays as it is.
    """
    home.dagster.mkdir(parents=True, exist_ok=True)
    settings = home.dagster / "dagster.yaml"
    if not settings.exists():
        beside = settings.with_name(f".{settings.name}.{os.getpid()}.tmp")
        beside.write_bytes(shipped_settings().read_bytes())
        beside.replace(settings)
    return home.dagster


def shipped_settings() -> Path:
    """Our `dagster.yaml`: in the checkout, or beside the package when it was installed."""
    checkout = CHECKOUT / "dagster_home" / "dagster.yaml"
    return checkout if checkout.exists() else Path(__file__).parent / "dagster.yaml"
