"""Valid answers to a JSON schema, chosen by hash."""

import hashlib
from typing import Any

import orjson


def schema_of(body: dict[str, Any]) -> dict[str, Any] | None:
    """The schema that a request carries in OpenAI's way or in vLLM's; None where in neither."""
    described = (body.get("response_format") or {}).get("json_schema") or {}
    schema = described.get("schema") or (body.get("structured_outputs") or {}).get("json")
    return orjson.loads(schema) if isinstance(schema, str) else schema


def answer_to(schema: dict[str, Any], salt: str) -> str:
    """JSON that the schema allows: the same for the same schema and salt."""
    return orjson.dumps(_value(schema, schema, salt)).decode()


def _value(schema: dict[str, Any], root: dict[str, Any], path: str) -> Any:
    if "$ref" in schema:
        return _value(_resolved(root, schema["$ref"]), root, path)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][
            int(hashlib.sha256(path.encode()).hexdigest(), 16) % len(schema["enum"])
        ]
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {name: _value(each, root, f"{path}/{name}") for name, each in properties.items()}
        case "array":
            count = schema.get("minItems", 0)
            return [_value(schema["items"], root, f"{path}/{index}") for index in range(count)]
        case "integer":
            return schema.get("minimum", 0)
        case _:
            return "Chosen by hash."[: schema.get("maxLength", 200)]


def _resolved(root: dict[str, Any], reference: str) -> dict[str, Any]:
    found: Any = root
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)
