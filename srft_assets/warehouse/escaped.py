"""Values of a result as JSON text that is exact, and safe on a terminal."""

from datetime import date
from decimal import Decimal
from typing import Any

import orjson
import polars as pl

from srft_assets.warehouse.visible import json_escaped

ORJSON_INTEGERS = 2**63


def json_text(value: Any) -> str:
    """JSON on one line."""
    text = orjson.dumps(value, default=_other, option=orjson.OPT_NON_STR_KEYS).decode()
    return json_escaped(text)


def _other(value: Any) -> Any:
    if isinstance(value, pl.Series):
        return value.to_list()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal):
        whole = value == value.to_integral_value() and abs(value) < ORJSON_INTEGERS
        return int(value) if whole else float(value)
    return value.isoformat() if isinstance(value, date) else str(value)
