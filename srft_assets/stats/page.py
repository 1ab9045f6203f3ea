"""The page: what is there, outcomes, labels, tokens, scores."""

from rich.console import Group, RenderableType
from rich.text import Text

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.stats.tables import (
    arm_scores,
    asset_sizes,
    label_shares,
    outcomes,
    quarantined,
    tokens_kept,
)
from srft_assets.warehouse.catalogue import Catalogue
from srft_assets.warehouse.query import run_query

NOTHING = "nothing yet: srft ingest PATH, or make demo"
SECTIONS = (asset_sizes, quarantined, outcomes, label_shares, tokens_kept, arm_scores)


def stats(home: Home) -> RenderableType:
    """Partitions, refusals, outcomes, label shares, tokens kept and scores, where there are any.

    Raises SrftError where the catalogue cannot be read.
    """
    if Catalogue(home).digest() is None:
        return Text(NOTHING)
    try:
        shown = [table for section in SECTIONS if (table := section(home)) is not None]
    except SrftError as error:
        raise SrftError(f"cannot read the warehouse: {error}") from None
    if not shown:
        return Text(NOTHING)
    more = run_query(home, "SELECT count(*) FROM duckdb_views() WHERE NOT internal").item()
    hint = Text(f'{more} tables and statistics: srft sql "SHOW TABLES"', style="dim")
    return Group(*(part for table in shown for part in (table, Text())), hint)
