"""The base model of the embedded default."""

import dagster as dg

from srft_assets.components.asset import build_asset
from srft_assets.lab.base import base_models_stage
from srft_assets.schemas import SCHEMAS


@dg.definitions
def defs() -> dg.Definitions:
    """`base_models/tiny`."""
    return dg.Definitions(assets=[build_asset(base_models_stage(), SCHEMAS, pool="training")])
