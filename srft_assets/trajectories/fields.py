"""Typed access to the fields of a record, and the error that names what is wrong with one."""

from typing import Any

import orjson

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


OUTCOMES: dict[float, bool | None] = {1: True, 0: False, -1: None}


def text(record: dict[str, Any], *names: str) -> str | None:
    """The first of the named fields that is stated; None where none is. '' counts as stated."""
    for name in names:
        value = record.get(name)
        if value is not None:
            if isinstance(value, str):
                return value
            raise wrong_type(name, value, "text")
    return None


def identifier(record: dict[str, Any], *names: str) -> str | None:
    """Like `text`, but whole numbers are taken too and '' counts as absent."""
    for name in names:
        value = record.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if value is not None and not isinstance(value, str):
            raise wrong_type(name, value, "text")
        if value:
            return value
    return None


def outcome(record: dict[str, Any], *names: str) -> bool | None:
    """A three-valued outcome: true/1, false/0, or None where absent, null, NaN or -1."""
    for name in names:
        value = record.get(name)
        if value is None or value != value:
            continue
        if not isinstance(value, int | float):
            raise wrong_type(name, value, "true, false, 1, 0 or -1")
        if value not in OUTCOMES:
            raise RecordError(f"field '{name}' is {quoted(value)}; expected 1, 0 or -1")
        return OUTCOMES[value]
    return None


def section(record: Any, *names: str) -> dict[str, Any]:
    """The object at a path of fields; empty where any of them is absent or null."""
    for name in names:
        value = record.get(name)
        if value is None:
            return {}
        if isinstance(value, str) and value[:1] == "{":
            value = parsed(name, value)
        if not isinstance(value, dict):
            raise wrong_type(name, value, "an object")
        record = value
    return record


def listing(record: dict[str, Any], name: str) -> list[Any] | None:
    """A list, given as such or as JSON text; None where absent or null."""
    value = record.get(name)
    if isinstance(value, str):
        value = parsed(name, value)
    if value is not None and not isinstance(value, list):
        raise wrong_type(name, value, "a list")
    return value


def tools(record: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The JSON schemas of the tools offered; None where none are stated."""
    offered = listing(record, "tools")
    for place, tool in enumerate(offered or ()):
        if not isinstance(tool, dict):
            raise wrong_type(f"tools[{place}]", tool, "an object")
    return offered or None


def parsed(name: str, value: str) -> Any:
    """The value of a field that holds JSON text."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise RecordError(f"field '{name}' is text, but not JSON ({error})") from error
