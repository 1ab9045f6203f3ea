"""`srft stats`: the warehouse on one page."""

from srft_assets.stats.page import stats

__all__ = ["stats"]
