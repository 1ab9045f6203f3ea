"""What becomes of answers in the shapes that providers and reasoning models are known to send.

What is told of an answer's own text is in test_answer.py.
"""

from collections.abc import Callable

import orjson
import pytest

from srft_assets.critic.answer import BadAnswer, parse
from srft_assets.critic.failures import CallError
from tests.critic.calls import SPEC, ask, request
from tests.critic.faults import (
    Draft,
    Fault,
    control_characters,
    failing,
    refusing,
    saying,
    sending,
    too_few_steps,
    too_many_steps,
    truncated,
)
from tests.critic.server import Server


def message(of: Callable[[str], dict], finish: str = "stop") -> Fault:
    """Another message, made of the answer's text."""

    def fault(draft: Draft) -> None:
        choice = {"index": 0, "message": of(draft.content or ""), "finish_reason": finish}
        draft.raw = orjson.dumps({"object": "chat.completion", "choices": [choice]})

    return fault


def within_white_space(draft: Draft) -> None:
    draft.raw = b"\n\n  \n" + orjson.dumps(draft.payload())


def ended_at_the_limit(draft: Draft) -> None:
    draft.finish_reason = "length"


def thinking_in_parts(answer: str) -> dict:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    return {"role": "assistant", "content": [thought, {"type": "text", "text": answer}]}


TAKEN: dict[str, Fault] = {
    "in parts, behind thinking": message(thinking_in_parts),
    "in reasoning_content alone": message(lambda a: {"content": None, "reasoning_content": a}),
    "in reasoning alone": message(lambda a: {"content": "", "reasoning": a}),
    "behind white space": within_white_space,
    "whole, at the limit of tokens": ended_at_the_limit,
    "with control characters": control_characters,
}


@pytest.mark.parametrize("name", TAKEN)
def test_an_answer_is_taken_at_the_first_try(server: Server, name: str):
    server.faults.append(TAKEN[name])
    asked = request()
    reply = ask(server.base_url, asked)
    assert isinstance(parse(reply, asked, SPEC), list)
    assert reply.retries == 0


BAD: dict[str, tuple[Fault, str]] = {
    "half": (saying('{"0": {"reason": "half'), "not one JSON object"),
    "a step too few": (too_few_steps, "missing steps: 2"),
    "a step too many": (too_many_steps, "keys that no step has: 3"),
    "cut": (truncated, "give shorter reasons"),
    "a refusal": (refusing, "refused: I cannot help"),
    "an answer withheld": (
        message(lambda a: {"content": None}, "content_filter"),
        "refused by the server's content filter",
    ),
    "thinking that was cut": (
        message(lambda a: {"content": "", "reasoning_content": "long"}, "length"),
        "while the model was thinking: raise sampling.max_tokens_per_step",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_an_answer_that_is_none_is_told(server: Server, name: str):
    fault, reason = BAD[name]
    server.faults.append(fault)
    asked = request()
    answer = parse(ask(server.base_url, asked), asked, SPEC)
    assert isinstance(answer, BadAnswer)
    assert reason in answer.reason


STREAM = b'data: {"choices": [{"delta": {"content": "{}"}}]}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html>Sign in</html>", "nor JSON: base_url"),
        (STREAM, "nor JSON: base_url"),
        (b'{"object": "chat.completion", "choices": []}', "no completion in the answer"),
    ],
)
def test_what_is_never_an_answer_is_told(server: Server, body: bytes, told: str):
    server.faults.extend([sending(body)] * 2)
    with pytest.raises(CallError, match=told):
        ask(server.base_url, request(), attempts=2)


def test_a_refused_parameter_in_the_words_of_a_validator_is_left_out(server: Server):
    refusal = {"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not"}
    body = {"object": "error", "message": {"detail": [{**refusal, "input": 0}]}, "code": None}

    def fault(draft: Draft) -> None:
        if "seed" in draft.body:
            failing(422, "")(draft)
            draft.raw = orjson.dumps(body)

    server.rule = lambda _: fault
    assert ask(server.base_url, request(seed=0)).retries == 0
