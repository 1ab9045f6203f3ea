"""What an endpoint refuses of a request's body, and what it is sent instead.

The key of an answer is the hash of the request as the critic means it. What a server cannot take is
renamed or left out on the way, so that learning it pays for no answer again.
"""

import re
from collections.abc import Container, Mapping
from functools import lru_cache
from typing import Any

from srft_assets.critic.failures import LONGEST_MESSAGE

RENAMED = {"max_tokens": "max_completion_tokens"}
"""Keys with another name: OpenAI's reasoning models know `max_completion_tokens` only."""
OPTIONAL = ("top_p", "seed", "temperature", "response_format")
"""Keys that may be left out, the least important first: one goes where two exclude each other."""
REFUSING = re.compile(
    r"not support|unsupported|unavailable|not permitted|not allowed|forbidden|cannot both|unknown"
    r"|unrecogni[sz]ed|unexpected|deprecated",
    re.IGNORECASE,
)


class Parameters:
    """The keys that one model at one endpoint takes; all its calls of a process share them.

    Attributes:
        changed: key → the name under which it is sent; None: left out.
    """

    def __init__(self) -> None:
        self.changed: dict[str, str | None] = {}

    def adapted(self, body: Mapping[str, Any], stated: Mapping[str, str | None]) -> dict[str, Any]:
        """The body to send: `stated` by the critic's YAML, and what was learned."""
        names = {**self.changed, **stated}
        renamed = ((names.get(key, key), value) for key, value in body.items())
        return {key: value for key, value in renamed if key is not None}

    def learn(self, said: str, sent: Container[str] = (*RENAMED, *OPTIONAL)) -> bool:
        """Take a refusal that names a key of what was sent which can be renamed or left out, and
        say whether it is one.

        A schema that a server does not take may be one run's own, and says nothing of the others.
        """
        schema = re.search(r"\bschema\b", said)
        if len(said) >= LONGEST_MESSAGE or schema or not REFUSING.search(said):
            return False
        named = (key for key in (*RENAMED, *OPTIONAL) if re.search(rf"\b{key}\b", said))
        for key in named:
            if key in sent:
                self.changed[key] = RENAMED.get(key)
                return True
        return False

    def told(self) -> str:
        """What was learned, for people; empty where nothing was."""
        return ", ".join(
            f"{key} is sent as {name}" if name else f"{key} is left out"
            for key, name in self.changed.items()
        )


@lru_cache(maxsize=64)
def parameters_of(url: str, model: str) -> Parameters:
    """What this process learned of a model at an endpoint."""
    return Parameters()
