"""The door of the UI: Dagster's own server, with a check before every request.

    python -P -m srft_assets.components.webserver dg|dagster dev …    as `srft dev` starts it
    python -P -m srft_assets.components.webserver serve …             as that starts the server

Dagster's server trusts whoever reaches it: any page that is open in the same browser could start
runs or wipe the history of assets.
"""

import ipaddress
import os
import secrets
import sys
from collections.abc import Collection, Sequence
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.datastructures import URL
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from srft_assets.processes.child import end_when_told, python
from srft_assets.project.settings import settings

MODULE = "srft_assets.components.webserver"
TOKEN = "SRFT_UI_TOKEN"
"""Variable of the environment: what a browser must know that asks for another name of this host."""
PROBE = "/server_info"
"""What health probes ask, by any name: versions of Dagster."""
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
READ_ONLY = "SRFT_UI_READ_ONLY"
PARAMETER = "token"
COOKIE = "srft_token"
PROGRAMS = {"dg": "dagster_dg_cli.cli", "dagster": "dagster._cli"}
FORBIDDEN = 403
POLICY_VIOLATION = 1008


class Door:
    """Lets a request in that a page of ours sent, or nobody's page.

    - The Host is this machine (a name that is rebound to it is none), or the token is known: as
      the cookie that the address with `?token=…` sets.
    - The Origin, which browsers send with all that may change anything but GET, is the Host, or
      stated.
    - No GET changes anything: browsers send it without an Origin.

    It is no login: a program that reaches the port may claim any Host.
    """

    def __init__(self, app: ASGIApp, token: str, origins: Collection[str] = ()) -> None:
        self.app, self.token, self.origins = app, token, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse in one line."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        asked = HTTPConnection(scope)
        if refusal := self._refusal(asked):
            if scope["type"] == "websocket":
                await WebSocket(scope, receive, send).close(POLICY_VIOLATION)
            else:
                await PlainTextResponse(f"{refusal}\n", FORBIDDEN)(scope, receive, send)
        elif PARAMETER in asked.query_params and scope["type"] == "http":
            url = URL(scope=scope).remove_query_params(PARAMETER)
            inside = RedirectResponse(f"{url.path}?{url.query}" if url.query else url.path)
            given = asked.query_params[PARAMETER]
            inside.set_cookie(COOKIE, given, httponly=True, samesite="lax")
            await inside(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _refusal(self, asked: HTTPConnection) -> str:
        if asked.scope["path"] == PROBE and PARAMETER not in asked.query_params:
            return ""
        host = asked.headers.get("host", "").lower()
        given = asked.query_params.get(PARAMETER) or asked.cookies.get(COOKIE, "")
        known = bool(given) and secrets.compare_digest(given.encode(), self.token.encode())
        if not known and not _is_here(host):
            return f"{host!r} is not this machine: open the address with the token of srft dev"
        origin = asked.headers.get("origin")
        if origin is not None and origin not in self.origins and not _is_of(origin, host):
            return "a page of another origin asks"
        safe = asked.scope.get("method") in ("GET", "HEAD")
        if safe and any(_changes(query) for query in asked.query_params.getlist("query")):
            return "GET changes nothing: POST a mutation"
        return ""


def _is_of(origin: str, host: str) -> bool:
    """Whether an Origin is a Host; browsers leave out the scheme's own port."""
    scheme, _, place = origin.lower().partition("://")
    port = DEFAULT_PORTS.get(scheme, "")
    return place.removesuffix(port) == host.removesuffix(port)


def _is_here(host: str) -> bool:
    """Whether a Host header names this machine, to itself."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        local = name == "localhost" or name.endswith(".localhost")
        return local or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _changes(query: str) -> bool:
    """Whether a GraphQL document holds anything but queries; what cannot be parsed does nothing."""
    try:
        parts = parse(query).definitions
    except GraphQLError:
        return False
    operations = (part for part in parts if isinstance(part, OperationDefinitionNode))
    return any(one.operation is not OperationType.QUERY for one in operations)


def serve(words: Sequence[str]) -> None:
    """Dagster's server behind the door."""
    from dagster_webserver.cli import main
    from dagster_webserver.webserver import DagsterWebserver

    origins = {one.rstrip("/") for one in settings().ui.origins}
    token = os.environ.get(TOKEN) or secrets.token_urlsafe()
    door = Middleware(Door, token=token, origins=origins)
    build = DagsterWebserver.build_middleware
    # Its command line makes the server itself, and takes no middleware.
    DagsterWebserver.build_middleware = lambda self: [door, *build(self)]  # type: ignore[method-assign]
    sys.argv = ["dagster-webserver", *words]
    main()


def develop(program: str, words: Sequence[str]) -> None:
    """`dg dev` or `dagster dev`, which starts our server where it would start Dagster's."""
    import dagster._cli.dev as dagster_dev

    start = dagster_dev.open_ipc_subprocess

    def started(parts: Sequence[str], **more: Any) -> Any:
        if parts[1:3] == ["-m", "dagster_webserver"]:
            read_only = ["--read-only"] if settings().ui.read_only else []
            parts = python(MODULE, "serve", *parts[3:], *read_only)
        return start(parts, **more)

    dagster_dev.open_ipc_subprocess = started
    sys.argv = [program, *words]
    import_module(PROGRAMS[program]).main()


if __name__ == "__main__":
    end_when_told()
    if sys.argv[1] == "serve":
        serve(sys.argv[2:])
    else:
        develop(sys.argv[1], sys.argv[2:])
