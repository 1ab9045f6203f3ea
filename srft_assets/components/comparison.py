"""The asset `comparison`, downstream of the scores of every arm that is made unasked."""

import dagster as dg

from srft_assets.compare.stage import SCORES, comparison_stage
from srft_assets.components.asset import build_asset
from srft_assets.components.stages import stages_in
from srft_assets.schemas import SCHEMAS


def with_comparison(loaded: dg.Definitions) -> dg.Definitions:
    """The definitions and, where they hold arms, their comparison."""
    stages = stages_in(loaded)
    scores = [key for key, one in stages.items() if key.startswith(SCORES) and not one.on_request]
    if not scores:
        return loaded
    asset = build_asset(comparison_stage(scores), SCHEMAS)
    return dg.Definitions.merge(loaded, dg.Definitions(assets=[asset]))
