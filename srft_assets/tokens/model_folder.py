"""Where the model lies that an arm names."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.warehouse.store import ONLY

Read = Callable[[str, str], pl.DataFrame]
"""Rows of a partition, by asset and partition: `Work.read`, or `Warehouse.read`."""


def is_base_model_asset(model: str) -> bool:
    """Whether an arm's model names an asset `base_models/<name>`, not a folder or a Hub id."""
    return "/" not in model and not Path(model).is_dir()


def model_source(model: str, home: Home, read: Read) -> str:
    """The folder or the Hugging Face id of the model that an arm names.

    Raises SrftError where it is an asset that was never made, or whose folder is gone.
    """
    if not is_base_model_asset(model):
        return model
    try:
        rows = read(f"base_models/{model}", ONLY)
    except FileNotFoundError:
        rows = pl.DataFrame()
    folder = home.root / rows["path"][0] if rows.height else None
    if folder is None or not folder.is_dir():
        raise SrftError(f"the base model {model} has no folder: srft apply base_models/{model}")
    return str(folder)
