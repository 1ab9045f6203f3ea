"""The platforms of `tests/warehouse`."""

from tests.warehouse.conftest import empty, filled

__all__ = ["empty", "filled"]
