"""Failures of reading recorded runs."""

from srft_assets.errors import SrftError

QUOTED_CHARS = 40


class RecordError(SrftError):
    """One record cannot be read as a run; the message is the reason, in one line."""


def kind_of(value: object) -> str:
    """The JSON type of a value, as a person calls it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true/false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else f"of type {type(value).__name__}"


def quoted(value: object) -> str:
    """The first characters of a hostile value, printable, on one line."""
    text = value if isinstance(value, str) else str(value)
    return ascii(text if len(text) <= QUOTED_CHARS else text[:QUOTED_CHARS] + "...")


def wrong_type(field: str, value: object, expected: str) -> RecordError:
    """The error for a field that holds something else than it should."""
    return RecordError(f"field '{field}' is {kind_of(value)}; expected {expected}")
