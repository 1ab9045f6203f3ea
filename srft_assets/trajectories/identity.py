"""The id of a run: the same at every ingest of the same run, whatever file it comes from."""

import re
from collections.abc import Sequence
from operator import itemgetter

import orjson
from blake3 import blake3

from srft_assets.trajectories.errors import RecordError
from srft_assets.trajectories.model import Message

UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
NAME_CHARS = 100
"""An instance id is cut to this length within a trajectory id."""
PLAIN = ("role", "content")
CONTENT = itemgetter("content")


def encoded(messages: Sequence[Message], option: int = 0) -> bytes:
    """The messages as JSON, with an option of orjson.

    Raises RecordError where they cannot be written as such: lone surrogates, integers beyond
    64 bits.
    """
    try:
        return orjson.dumps(messages, option=option)
    except (TypeError, RecursionError) as error:
        raise RecordError(f"the messages cannot be written as JSON: {error}") from error


def trajectory_id(
    instance_id: str,
    stated_id: str | None,
    messages: Sequence[Message],
    scaffold: str = "",
    json: bytes | None = None,
) -> str:
    """`<instance id in [A-Za-z0-9._-]>.<12 hex>`.

    The hex digits are of the BLAKE3 hash over scaffold, instance and the source's own run id
    where it has one (ids such as SWE-Gym's `run_id` are shared by instances), and over the
    messages as canonical JSON otherwise: role before content where all have a text and nothing
    else, so that what is stored need not be written twice; sorted keys else.
    `json`: `encoded(messages)`, if that is known, with the role first in each. Raises
    RecordError as `encoded` does.
    """
    if stated_id is not None:
        json = orjson.dumps([scaffold, instance_id, stated_id])
    elif not _plain(messages):
        json = encoded(messages, orjson.OPT_SORT_KEYS)
    elif json is None:
        json = encoded([{key: message[key] for key in PLAIN} for message in messages])
    name = UNSAFE.sub("_", instance_id[: 4 * NAME_CHARS])[:NAME_CHARS]
    return f"{name or 'unknown'}.{blake3(json).hexdigest(6)}"


def _plain(messages: Sequence[Message]) -> bool:
    return set(map(len, messages)) == {2} and set(map(type, map(CONTENT, messages))) == {str}
