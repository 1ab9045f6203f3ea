"""What a critic answers: the schema it is given, its verdicts, and the second try."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from srft_assets.critic.calls import Reply, Request
from srft_assets.critic.prompt.text import readable
from srft_assets.critic.spec import LlmSpec
from srft_assets.critic.verdict import Label, Verdict
from srft_assets.text import some, visible

Schema = dict[str, Any]


def schema(steps: range, spec: LlmSpec) -> Schema:
    """One object with one property for every step to label, named by its index.

    Not a list: a server that constrains its output by this schema cannot miss a step, double one
    or add one, because each is a required property. The reason comes before the label, so that the
    label follows from it.
    """
    label: Schema = {"type": "string", "enum": [str(label) for label in spec.labels]}
    verdict = _closed({"reason": {"type": "string"}, "label": label}) if spec.reasons else label
    return _closed({str(index): verdict for index in steps})


def _closed(properties: Schema) -> Schema:
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


Kind = Literal["refused", "cut", "empty", "not_json", "wrong_steps", "unknown_label"]


class BadAnswer(Exception):
    """A reply without valid verdicts; `reason` is one line, fit to be told to the model."""

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason


def one_line(text: str, chars: int = 200) -> str:
    """On one line, without control characters, at most so many characters."""
    return visible(" ".join(text[: 4 * chars].split()))[:chars]


REASON_CHARS = 500
"""Of a verdict's reason."""

TOLD_CHARS = 300
"""Of a bad answer and of its error, told to the model: a prompt leaves `SPARE` tokens for them."""


MOST_BRACES = 64
"""Beginnings of objects that are looked at in an answer with other text."""

_THOUGHT = re.compile(r"</think>|\[/THINK\]|<\|channel\|>final<\|message\|>")
"""What ends the reasoning of Qwen and DeepSeek, of Magistral, of gpt-oss."""


@dataclass(frozen=True, slots=True)
class _Doubled:
    """A JSON object with a key that is there twice, which a dict would hide."""

    key: str


def parse(reply: Reply, request: Request, spec: LlmSpec) -> list[Verdict] | BadAnswer:
    """One verdict for each step of the request, in order, or why there are none.

    The answer must be the object of `schema`: exactly the steps asked about, each once, with known
    labels. It may stand within other text (prose, a fence, reasoning in any mark-up) where exactly
    one such object is there. Raw control characters in strings, which grammar-constrained servers
    let through, are accepted.
    """
    try:
        if reply.refusal or reply.finish_reason == "content_filter":
            by = (
                f": {one_line(reply.refusal)}"
                if reply.refusal
                else " by the server's content filter"
            )
            raise BadAnswer("refused", f"the answer was refused{by}")
        text = _bare((reply.content or "").strip("\ufeff \t\r\n"))
        try:
            return _read(_object(text), request.steps, reply, spec)
        except BadAnswer as bad:
            return _within(text, request.steps, reply, spec, bad)
    except BadAnswer as bad:
        return _cut(reply, request) if reply.finish_reason == "length" else bad


def _cut(reply: Reply, request: Request) -> BadAnswer:
    cut = f"the answer was cut after {request.body.get('max_tokens')} tokens"
    if reply.content:
        return BadAnswer("cut", f"{cut}: give shorter reasons")
    return BadAnswer(
        "cut", f"{cut}, while the model was thinking: raise sampling.max_tokens_per_step"
    )


def _within(text: str, steps: range, reply: Reply, spec: LlmSpec, bad: BadAnswer) -> list[Verdict]:
    """The verdicts of the one valid object within a text. Raises `bad` where there is none."""
    found: list[list[Verdict]] = []
    for value in _objects(text):
        with suppress(BadAnswer):
            found.append(_read(value, steps, reply, spec))
    if not found:
        raise bad
    if any(other != found[0] for other in found[1:]):
        raise BadAnswer(
            "not_json", f"the answer holds {len(found)} objects that contradict each other"
        )
    return found[0]


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a text that stand within no other one, of its first `MOST_BRACES`."""
    decoder = json.JSONDecoder(strict=False, object_pairs_hook=_unique)
    at = text.find("{")
    for _ in range(MOST_BRACES):
        if at < 0:
            return
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            if isinstance(value, dict):
                yield value
        at = text.find("{", end)


def _read(answer: dict[str, Any], steps: range, reply: Reply, spec: LlmSpec) -> list[Verdict]:
    _check_steps(answer, steps)
    return [_verdict(index, answer[str(index)], reply, spec) for index in steps]


def again(request: Request, reply: Reply, bad: BadAnswer) -> Request:
    """The same conversation and schema, then the bad answer, shortened, and what is wrong there."""
    told = readable((reply.content or reply.refusal or "")[:TOLD_CHARS]).strip() or "(no answer)"
    error = (
        f"That answer cannot be used: {bad.reason[:TOLD_CHARS]}. "
        "Answer once more, with the JSON object asked for and nothing else."
    )
    messages = [
        *request.body["messages"],
        {"role": "assistant", "content": told},
        {"role": "user", "content": error},
    ]
    return Request({**request.body, "messages": messages}, request.steps, request.about)


def _bare(text: str) -> str:
    """Without reasoning before it (whose opening mark may stand in the prompt) or a fence.

    Raises BadAnswer where nothing is left.
    """
    if not text.startswith(("{", "```")):
        text = _THOUGHT.split(text)[-1].strip()
    if text.startswith("```") and text.endswith("```"):
        text = text.removesuffix("```").partition("\n")[2].strip()
    if not text:
        raise BadAnswer("empty", "the answer was empty")
    return text


def _object(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text, strict=False, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise BadAnswer(
            "not_json", f"the answer is not one JSON object ({one_line(str(error))})"
        ) from None
    if isinstance(answer, _Doubled):
        raise BadAnswer("wrong_steps", f"step {one_line(answer.key)} is there twice")
    if not isinstance(answer, dict):
        raise BadAnswer("not_json", "the answer is JSON, but not an object")
    return answer


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Doubled:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            return _Doubled(key)
        found[key] = value
    return found


def _check_steps(answer: dict[str, Any], steps: range) -> None:
    wanted = [str(index) for index in steps]
    missing = [key for key in wanted if key not in answer]
    extra = [one_line(key, 20) for key in sorted(answer.keys() - set(wanted))]
    told = [
        f"{name}: {some(keys, 10)}"
        for name, keys in (("missing steps", missing), ("keys that no step has", extra))
        if keys
    ]
    if told:
        raise BadAnswer("wrong_steps", "; ".join(told))


def _verdict(index: int, value: Any, reply: Reply, spec: LlmSpec) -> Verdict:
    label: Any = value
    reason: Any = ""
    if spec.reasons:
        if not isinstance(value, dict):
            raise BadAnswer("not_json", f"step {index} is no object with a reason and a label")
        label, reason = value.get("label"), value.get("reason")
    if not isinstance(label, str) or not isinstance(reason, str):
        raise BadAnswer("not_json", f"step {index}: the label or the reason is not a string")
    if label not in spec.labels:
        known = ", ".join(spec.labels)
        raise BadAnswer(
            "unknown_label", f"step {index} is labelled {one_line(label)!r}, not one of {known}"
        )
    told = one_line(reason, REASON_CHARS)
    return Verdict(index, Label(label), told, rule=one_line(reply.model), call=reply.key)
