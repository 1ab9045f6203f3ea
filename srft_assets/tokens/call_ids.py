"""Ids of tool calls for Mistral's templates, which take nine letters and digits, nothing else."""

import hashlib
import re
from collections.abc import Sequence

from srft_assets.trajectories.model import Message

SHORT = re.compile(r"[a-zA-Z0-9]{9}")
ASKS = re.compile(r"id\s*\|\s*length\s*!=\s*9")


def wants_short_ids(source: str) -> bool:
    """Whether a template refuses ids of other lengths."""
    return ASKS.search(source) is not None


def short_call_ids(messages: Sequence[Message]) -> list[Message]:
    """Copies in which every tool call has a short id, and every tool result that of its call.

    An id stands for nothing but itself, so another one says the same. It is derived from the old
    one, or from the call's place where there was none; results without an id answer in order.
    """
    waiting: list[str] = []
    changed = []
    for index, message in enumerate(messages):
        if message.get("tool_calls"):
            ids = [_short(c.get("id"), index, at) for at, c in enumerate(message["tool_calls"])]
            calls = zip(message["tool_calls"], ids, strict=True)
            changed.append({**message, "tool_calls": [{**call, "id": own} for call, own in calls]})
            waiting = list(ids)
        elif message["role"] == "tool":
            stated = message.get("tool_call_id")
            own = _short(stated, index, 0) if stated or not waiting else waiting[0]
            waiting = [one for one in waiting if one != own]
            changed.append({**message, "tool_call_id": own})
        else:
            changed.append(message)
    return changed


def _short(stated: str | None, index: int, place: int) -> str:
    if stated and SHORT.fullmatch(stated):
        return stated
    return hashlib.sha256((stated or f"{index}.{place}").encode()).hexdigest()[:9]
