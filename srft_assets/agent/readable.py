"""What others said, such that every reader of JSON takes it."""

import math
import re
from typing import Any

HALF = re.compile("[\ud800-\udfff]")
"""Half a surrogate pair: Python's strings and JSON's escapes can hold one, UTF-8 cannot."""


def readable(value: Any) -> Any:
    """A copy of a JSON value without what strict readers refuse.

    Half a surrogate pair becomes U+FFFD; NaN and the infinities, which RFC 8259 has no words
    for, become None.
    """
    if isinstance(value, str):
        return HALF.sub("\ufffd", value)
    if isinstance(value, dict):
        return {readable(key): readable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [readable(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
