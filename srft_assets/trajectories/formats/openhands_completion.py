"""OpenHands `completions/*.json`: the last call to the model holds the whole chat.

The file is named after the task, or stands in a folder that is (`<model>-<time>.json` below
`llm_completions/<instance>/`).
"""

import re
from pathlib import PurePosixPath
from typing import Any

from srft_assets.trajectories.fields import (
    RecordError,
    identifier,
    listing,
    section,
    text,
    tools,
    wrong_type,
)
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.reading import Facts, Source, assemble

NAME = "openhands-completion"
TIMED = re.compile(r".*-\d{9,11}(\.\d+)?")


def detect(record: Any, hint: str) -> bool:
    """A request (`messages`) together with its `response.choices`."""
    if not isinstance(record, dict) or not isinstance(record.get("messages"), list):
        return False
    response = record.get("response")
    return isinstance(response, dict) and "choices" in response


def read(record: Any, source: Source) -> Trajectory:
    """The run that ends with this call. Raises RecordError."""
    if not isinstance(record, dict):
        raise wrong_type("record", record, "an object")
    response = section(record, "response")
    choices = listing(response, "choices") or []
    answer = choices[0].get("message") if choices and isinstance(choices[0], dict) else None
    if not isinstance(answer, dict):
        raise RecordError("field 'response.choices' holds no message")
    model = text(response, "model")
    facts = Facts(
        instance_id=identifier(record, "instance_id") or instance_of(source),
        scaffold="openhands",
        model=model,
        tools=tools(section(record, "kwargs")),
    )
    raw_messages = [*(listing(record, "messages") or []), {"role": "assistant", **answer}]
    return assemble(source, NAME, raw_messages, facts)


def instance_of(source: Source) -> str:
    """The task, from the file's name or its folder's."""
    folder = PurePosixPath(source.hint).parent.name
    return folder if folder and TIMED.fullmatch(source.stem) else source.stem
