"""Replies for tests of the ledger."""

import hashlib
from dataclasses import replace
from typing import Any

from srft_assets.critic.calls import Reply


def key_of(number: int) -> str:
    """A key, the same for the same number."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def reply(number: int, **changes: Any) -> Reply:
    """The answer to request `number`."""
    made = Reply(
        key=key_of(number),
        content=f'{{"steps": [{number}]}}',
        refusal=None,
        finish_reason="stop",
        model="critic-32b",
        prompt_tokens=1000 + number,
        completion_tokens=20,
        cached_tokens=900,
        seconds=1.5,
        retries=1,
        at=f"2026-11-23T10:00:{number % 60:02d}+00:00",
        critic="default",
        about=f"django__django-{number}",
    )
    return replace(made, **changes)
