"""Invariants of the warehouse, as queries of `sql/checks/` that must find nothing."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from srft_assets.home import Home
from srft_assets.warehouse.catalogue import build_catalogue
from srft_assets.warehouse.query import run_query
from srft_assets.warehouse.statements import sql_files
from srft_assets.warehouse.views import Schemas


def offending_rows(
    home: Home, schemas: Schemas, name: str, parameters: Mapping[str, Any]
) -> pl.DataFrame:
    """Rows that break the invariant `name`. Raises KeyError for an unknown name."""
    texts = {file.name: file.text for file in sql_files("checks")}
    build_catalogue(home, schemas)
    return run_query(home, texts[name], parameters)
