"""Binary files that a row wants beside its patch: the harness fetches them on this machine."""

from typing import Any

import orjson

FROM = "https://"
"""Other schemes would let a row name files of this machine, or servers that only it reaches."""


def bad_assets(stated: Any) -> str:
    """Why a row's `image_assets` cannot be fetched; empty where they can, or there are none."""
    if not stated:
        return ""
    try:
        by_patch = orjson.loads(stated) if isinstance(stated, str) else stated
        entries = [entry for entries in by_patch.values() for entry in entries or ()]
        addresses = [entry.get("url") or FROM for entry in entries]
    except (AttributeError, TypeError, ValueError):
        return "its image_assets are no lists of path and url by patch"
    for address in addresses:
        if not isinstance(address, str) or not address.startswith(FROM):
            return f"its image_assets name {str(address)[:80]!r}; only {FROM} is fetched"
    return ""
