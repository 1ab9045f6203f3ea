"""The id of a run: the same at every ingest of the same run, whatever file it comes from."""

import hashlib
import re
from collections.abc import Sequence

import orjson

from srft_assets.trajectories.errors import RecordError
from srft_assets.trajectories.model import Message

UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
NAME_CHARS = 100
"""An instance id is cut to this length within a trajectory id."""


def trajectory_id(
    instance_id: str,
    stated_id: str | None,
    messages: Sequence[Message],
    scaffold: str = "",
) -> str:
    """`<instance id in [A-Za-z0-9._-]>.<12 hex>`.

    The hex digits are of the SHA-256 over scaffold, instance and the source's own run id where
    it has one (ids such as SWE-Gym's `run_id` are shared by instances), and over the messages
    as canonical JSON (sorted keys) otherwise. Raises RecordError where the messages cannot be
    written as JSON (lone surrogates, integers beyond 64 bits).
    """
    try:
        canonical = orjson.dumps(list(messages), option=orjson.OPT_SORT_KEYS)
        if stated_id is not None:
            canonical = orjson.dumps([scaffold, instance_id, stated_id])
    except (TypeError, RecursionError) as error:
        raise RecordError(f"the messages cannot be written as JSON: {error}") from error
    digest = hashlib.sha256(canonical).hexdigest()[:12]
    name = UNSAFE.sub("_", instance_id[: 4 * NAME_CHARS])[:NAME_CHARS]
    return f"{name or 'unknown'}.{digest}"
