"""The little of ASGI that the tests' server needs."""

import asyncio
from typing import Any

import orjson


async def read_body(receive: Any) -> bytes:
    """The whole body of a request."""
    chunks = bytearray()
    more = True
    while more:
        message = await receive()
        chunks += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(chunks)


async def client_left(receive: Any, seconds: float) -> bool:
    """Wait; whether the client went away meanwhile, as a model server stops generating then."""
    try:
        message = await asyncio.wait_for(receive(), seconds)
    except TimeoutError:
        return False
    return bool(message["type"] == "http.disconnect")


async def respond(
    send: Any, status: int, payload: Any, headers: dict[str, str] | None = None, cut: bool = False
) -> None:
    """Answer; cut in the middle of the body on demand."""
    data = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    every = {
        "content-type": "application/json",
        "content-length": str(len(data)),
        **(headers or {}),
    }
    pairs = [(name.encode(), value.encode()) for name, value in every.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    if cut:
        await send(
            {"type": "http.response.body", "body": data[: len(data) // 2], "more_body": True}
        )
        raise ConnectionAbortedError("cut on demand")
    await send({"type": "http.response.body", "body": data})
