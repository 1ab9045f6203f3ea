"""The formats there are, one module for each family of them."""

from srft_assets.exports.formats import axolotl, messages, tokens
from srft_assets.exports.writer import Format

FORMATS: dict[str, Format] = {
    one.name: one for module in (tokens, axolotl, messages) for one in module.FORMATS
}
"""By name."""


def loading_code(form: str, folder: str) -> str:
    """The code that loads an export of this format, for a terminal."""
    block = FORMATS[form].loading.split("```")[1]
    return block.partition("\n")[2].rstrip().replace("FOLDER", folder)
