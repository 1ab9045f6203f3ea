"""Which tasks a checkpoint was trained on."""

import polars as pl

from srft_assets.warehouse.store import Warehouse


def trained_on(arm: str, seed: str, warehouse: Warehouse) -> frozenset[str] | None:
    """Instance ids of the runs that `checkpoints/<arm>/<seed>` took tokens with loss from.

    They are read from the masked tokens that its stamp names. None where some of these are gone:
    then nobody knows. Runs of no known task tell nothing.
    """
    stamp = warehouse.stamp(f"checkpoints/{arm}", seed)
    if stamp is None:
        return None
    tokens = f"masked_tokens/{arm}"
    batches = [
        key.rpartition("/")[2] for key in stamp.recipe.inputs if key.startswith(f"{tokens}/")
    ]
    found: set[str] = set()
    for batch in batches:
        if warehouse.stamp(tokens, batch) is None:
            return None
        rows = warehouse.read(tokens, batch, columns=["instance_id", "n_trained"])
        found.update(rows.filter(pl.col("n_trained") > 0)["instance_id"].drop_nulls())
    return frozenset(found - {"unknown"})
