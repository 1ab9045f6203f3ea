"""How the tests' server answers: by the schema of a request, and with the little ASGI it needs."""

import asyncio
import hashlib
from typing import Any

import orjson


def schema_of(body: dict[str, Any]) -> dict[str, Any] | None:
    """The schema that a request carries in OpenAI's way or in vLLM's; None where in neither."""
    described = (body.get("response_format") or {}).get("json_schema") or {}
    return described.get("schema") or (body.get("structured_outputs") or {}).get("json")


def answer_to(schema: dict[str, Any], salt: str) -> str:
    """JSON that a critic's schema allows: the same for the same schema and salt."""
    return orjson.dumps(_value(schema, salt)).decode()


def _value(schema: dict[str, Any], path: str) -> Any:
    if schema["type"] == "object":
        return {name: _value(each, f"{path}/{name}") for name, each in schema["properties"].items()}
    labels = schema.get("enum") or ["Chosen by hash."]
    return labels[int(hashlib.sha256(path.encode()).hexdigest(), 16) % len(labels)]


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
