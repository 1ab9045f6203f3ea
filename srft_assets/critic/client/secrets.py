"""Keys and passwords: they go to the server and nowhere else."""

import base64
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from srft_assets.critic.client.errors import CallError, Kind

HIDDEN = "[hidden]"
SHORTEST = 6
"""Shorter keys, such as `EMPTY` for local servers, are words and no secrets."""

_TELLING = re.compile(r"key|token|secret|sig|password", re.IGNORECASE)
_USER_INFO = re.compile(r"(?<=://)[^/\s@]+@")


@dataclass(frozen=True, repr=False)
class Secrets:
    """What authorizes the calls of one client, and how to keep it out of any text.

    Attributes:
        url: of the API, to show: without user, password and query.
        chat_url: where calls go; gateways may want a query.
        authorization: the header, if any.
        words: what must not be seen.
    """

    url: str
    chat_url: str
    authorization: str | None
    words: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Secrets({self.url!r})"

    def scrub(self, text: str) -> str:
        """The text without keys and without `user:password@` in URLs."""
        for word in self.words:
            text = text.replace(word, HIDDEN)
        return _USER_INFO.sub(f"{HIDDEN}@", text)

    def scrub_answer(self, text: str | None) -> str | None:
        """The model's own text without keys; URLs stay as they are."""
        for word in self.words if text else ():
            text = text.replace(word, HIDDEN) if text else text
        return text


def secrets_of(base_url: str, api_key: str | None) -> Secrets:
    """Split what is secret from the URL. `user:password@` serves where there is no key.

    Raises:
        CallError: the URL is none, or the key cannot be sent in a header.
    """
    key = (api_key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise CallError(Kind.AUTH, "the API key holds characters that no HTTP header can carry")
    try:
        parts = urlsplit(base_url.strip())
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        shown = _USER_INFO.sub(f"{HIDDEN}@", base_url)
        raise CallError(Kind.ENDPOINT, f"base_url {shown!r} is no http(s) URL")
    user_info, _, host = parts.netloc.rpartition("@")
    path = parts.path.rstrip("/")
    pair = base64.b64encode(unquote(user_info).encode()).decode() if user_info else ""
    password = user_info.partition(":")[2]
    queried = [value for name, value in parse_qsl(parts.query) if _TELLING.search(name)]
    words = {key, quote(key, safe=""), pair, password, unquote(password), *queried}
    return Secrets(
        url=urlunsplit((parts.scheme, host, path, "", "")),
        chat_url=urlunsplit((parts.scheme, host, f"{path}/chat/completions", parts.query, "")),
        authorization=f"Bearer {key}" if key else f"Basic {pair}" if pair else None,
        words=tuple(sorted((w for w in words if len(w) >= SHORTEST), key=len, reverse=True)),
    )
