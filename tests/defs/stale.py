"""Partitions as if they had been made otherwise."""

from dataclasses import replace

from srft_assets.home import Home
from srft_assets.warehouse.partitions import ONLY, Stamp, Warehouse

VERDICTS = "step_verdicts/rules"
ASKED = "step_verdicts/default"


def stamp(home: Home, asset: str, batch: str) -> Stamp:
    """What is written of the partition, which is there."""
    found = Warehouse(home.warehouse).stamp(asset, batch)
    assert found is not None
    return found


def make_stale(home: Home, asset: str, batch: str, code: str = "other") -> Stamp:
    """As if the partition had been made by other code of this name; what it was before."""
    warehouse = Warehouse(home.warehouse)
    old = stamp(home, asset, batch)
    recipe = replace(old.recipe, code={**old.recipe.code, code: "before"})
    told = replace(old, recipe=recipe, fingerprint=recipe.fingerprint)
    warehouse.write(asset, batch, warehouse.read(asset, batch), told)
    return old


def make_other(home: Home, asset: str) -> None:
    """As if the whole asset had been made from other settings, with another content."""
    make_stale(home, asset, ONLY)
    warehouse = Warehouse(home.warehouse)
    old = stamp(home, asset, ONLY)
    frame = warehouse.read(asset, ONLY)
    warehouse.write(asset, ONLY, frame, replace(old, data_version="other"))
    for batch in warehouse.partitions(ASKED):
        verdicts = stamp(home, ASKED, batch)
        inputs = {**verdicts.recipe.inputs, f"{asset}/{ONLY}": "other"}
        recipe = replace(verdicts.recipe, inputs=inputs)
        told = replace(verdicts, recipe=recipe, fingerprint=recipe.fingerprint)
        warehouse.write(ASKED, batch, warehouse.read(ASKED, batch), told)
