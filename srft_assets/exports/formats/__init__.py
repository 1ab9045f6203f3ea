"""The formats there are, one module for each family of them."""

from srft_assets.exports.formats import axolotl, messages, tokens
from srft_assets.exports.writer import Format

FORMATS: dict[str, Format] = {
    one.name: one for module in (tokens, axolotl, messages) for one in module.FORMATS
}
"""By name."""
