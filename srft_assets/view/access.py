"""Who may ask the pages: whoever opened a link that `srft view` printed, from a page of ours.

A one-time link becomes a cookie of this server alone. Every answer bears a policy by which a page
runs our own scripts and nothing that a run holds.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""What a browser on this machine calls it; a name that is rebound to it is none of them."""
OPEN = "/open"
"""Where a one-time link leads."""
SAFE = ("GET", "HEAD")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
CLOSED = "This page opens with the link that <code>srft view</code> prints; a link works once."
ONWARD = """<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0">
<title>srft view</title><p>Opening …"""
"""A cookie with SameSite=Strict does not come along where a page of another site links here, as
Dagster's may: our own page asks for the same address again."""


@dataclass
class Keys:
    """One-time links that nobody used yet, and the sessions that they became."""

    links: set[str] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)

    def link(self) -> str:
        """A new token, good for one opening."""
        token = secrets.token_urlsafe(24)
        self.links.add(token)
        return token

    def session(self, token: str) -> str | None:
        """The cookie that an unused token becomes; None for any other."""
        if not _known(token, self.links):
            return None
        self.links.discard(token)
        made = secrets.token_urlsafe(24)
        self.sessions.add(made)
        return made

    def knows(self, session: str) -> bool:
        """Whether the cookie is one of ours."""
        return _known(session, self.sessions)


def _known(given: str, those: Collection[str]) -> bool:
    """Compared with all of them in equal time."""
    found = [secrets.compare_digest(given.encode(), one.encode()) for one in those]
    return bool(given) and any(found)


class Door:
    """Lets a request in, or answers it in one line.

    - The Host is this machine and the server's own port.
    - What may change something has our own Origin and is JSON, which no form of another page sends.
    - The cookie is known; the address `/open?token=…` sets it.
    """

    def __init__(self, app: ASGIApp, keys: Keys, port: int) -> None:
        self.app, self.keys, self.port = app, keys, port
        self.cookie = f"srft_view_{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refused = self._answer(Request(scope))
        await (refused or self.app)(scope, receive, guarded)

    def _answer(self, asked: Request) -> Response | None:
        """What is answered in place of a page; None where the page may be."""
        headers = asked.headers
        host = headers.get("host", "").lower()
        if not self._is_here(host):
            return _no(f"{host!r} is not this server")
        if reason := _foreign(asked.method, headers, host):
            return _no(reason)
        if asked.url.path == OPEN and asked.method == "GET":
            return self._opened(asked.query_params.get("token", ""))
        if self.keys.knows(asked.cookies.get(self.cookie, "")):
            return None
        if headers.get("sec-fetch-site") == "cross-site" and asked.method == "GET":
            return HTMLResponse(ONWARD)
        return HTMLResponse(f"<!doctype html><title>srft view</title><p>{CLOSED}", 403)

    def _opened(self, token: str) -> Response:
        session = self.keys.session(token)
        if session is None:
            return HTMLResponse(f"<!doctype html><title>srft view</title><p>{CLOSED}", 403)
        inside = RedirectResponse("/", 303)
        inside.set_cookie(self.cookie, session, httponly=True, samesite="strict")
        return inside

    def _is_here(self, host: str) -> bool:
        name, _, port = host.rpartition(":")
        return name in NAMES and port == str(self.port)


def _foreign(method: str, headers: Headers, host: str) -> str:
    """Why a request comes from a page of somebody else; empty where it may be ours."""
    origin = headers.get("origin")
    if origin is not None and origin.lower() != f"http://{host}":
        return "a page of another origin asks"
    if method in SAFE:
        passing = headers.get("sec-fetch-mode", "navigate") != "navigate"
        if passing and headers.get("sec-fetch-site") == "cross-site":
            return "a page of another site asks"
        return ""
    if origin is None:
        return "no Origin"
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return "only JSON can be sent"
    return ""


def _no(reason: str) -> Response:
    return PlainTextResponse(f"{reason}\n", 403)


def address(port: int, path: str = "/") -> str:
    """A page's address; it holds no token."""
    return urlsplit(f"http://127.0.0.1:{port}{path}").geturl()
