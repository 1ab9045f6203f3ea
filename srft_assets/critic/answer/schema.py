"""The answer a critic must give, as a JSON schema and in words."""

from typing import Any

from srft_assets.critic.spec import LlmSpec

Schema = dict[str, Any]


def schema(steps: range, spec: LlmSpec) -> Schema:
    """One object with one property for every step to label, named by its index.

    Not a list: a server that constrains its output by this schema cannot miss a step, double one
    or add one, because each is a required property. The reason comes before the label, so that the
    label follows from it.
    """
    label: Schema = {"type": "string", "enum": [str(label) for label in spec.labels]}
    verdict = _object({"reason": {"type": "string"}, "label": label}) if spec.reasons else label
    return _object({str(index): verdict for index in steps})


def _object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def constraint(steps: range, spec: LlmSpec) -> dict[str, Any]:
    """Keys of the request's body that hand the schema to the server.

    `response_format` is OpenAI's way (structured outputs, strict), which vLLM, SGLang and
    llama.cpp take as well; `structured_outputs` is vLLM's own since 0.12; `prompt` gives none.
    """
    match spec.answer_format:
        case "response_format":
            named = {"name": "verdicts", "strict": True, "schema": schema(steps, spec)}
            return {"response_format": {"type": "json_schema", "json_schema": named}}
        case "structured_outputs":
            return {"structured_outputs": {"json": schema(steps, spec)}}
        case "prompt":
            return {}


def described(spec: LlmSpec) -> str:
    """The answer in words, with placeholders for indexes: the same for every run of a critic."""
    labels = ", ".join(f'"{label}"' for label in spec.labels)
    start = (
        "Answer with one JSON object and nothing else. It has one key for every step to label, "
        "the index of the step as a string, in order, each exactly once, and no other key. "
    )
    if not spec.reasons:
        return start + f'Each value is one of {labels}.\n{{"<index>": "<label>", …}}'
    return start + (
        'Each value is an object: first "reason", one short sentence, then "label", '
        f'one of {labels}.\n{{"<index>": {{"reason": "<why>", "label": "<label>"}}, …}}'
    )
