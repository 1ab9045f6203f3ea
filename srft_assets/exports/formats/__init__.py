"""The formats there are, one module for each family of them."""

from srft_assets.exports.formats import (
    axolotl,
    messages,
    preferences,
    tokens,
    trainer_messages,
    trainer_tokens,
)
from srft_assets.exports.writer import Format

FAMILIES = (tokens, trainer_tokens, axolotl, messages, trainer_messages, preferences)
FORMATS: dict[str, Format] = {one.name: one for family in FAMILIES for one in family.FORMATS}
"""By name."""
