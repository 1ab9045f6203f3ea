"""What becomes of answers in the shapes that providers and reasoning models are known to send."""

from collections.abc import Callable

import orjson
import pytest

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.warehouse.partitions import Warehouse
from tests.critic.faults import Draft, Fault, failing, sending
from tests.critic.platform_support import Labeller, graded_runs, labels
from tests.critic.server import Server, serving

RUNS = [("bad", 3, False), ("worse", 4, False)]


@pytest.fixture
def platform(home: Home) -> Home:
    graded_runs(home, RUNS)
    return home


def text(form: str) -> Fault:
    """The answer within other text."""
    return lambda draft: setattr(draft, "content", form.replace("ANSWER", draft.content or ""))


def message(of: Callable[[str], dict], finish: str = "stop") -> Fault:
    """Another message, made of the answer's text."""

    def fault(draft: Draft) -> None:
        choice = {"index": 0, "message": of(draft.content or ""), "finish_reason": finish}
        draft.raw = orjson.dumps({"object": "chat.completion", "choices": [choice]})

    return fault


def verdicts(change: Callable[[dict], object]) -> Fault:
    """Other JSON in the place of the verdicts."""

    def fault(draft: Draft) -> None:
        draft.content = orjson.dumps(change(orjson.loads(draft.content or ""))).decode()

    return fault


def within_white_space(draft: Draft) -> None:
    payload = draft.payload()
    draft.raw = b"\n\n  \n" + orjson.dumps(payload)


def with_a_byte_order_mark(draft: Draft) -> None:
    draft.content = f"\ufeff{draft.content}"


def ended_at_the_limit(draft: Draft) -> None:
    draft.finish_reason = "length"


def thinking_in_parts(answer: str) -> dict:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    return {"role": "assistant", "content": [thought, {"type": "text", "text": answer}]}


TAKEN: dict[str, Fault] = {
    "in a fence": text("```json\nANSWER\n```"),
    "in a fence after a preface": text("Here is the JSON:\n\n```json\nANSWER\n```\n"),
    "in prose": text("My assessment: ANSWER\nLet me know if you need more."),
    "after thinking that holds JSON": text('<think>\nhm {"0": 1}\n</think>\n\nANSWER'),
    "after thinking without its opening mark": text("hm</think>ANSWER"),
    "after thinking, in a fence": text("<think>x</think>\nHere:\n```json\nANSWER\n```"),
    "after Magistral's mark-up": text("[THINK]hm[/THINK]ANSWER"),
    "after gpt-oss's channels": text(
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>ANSWER"
    ),
    "in parts, behind thinking": message(thinking_in_parts),
    "in reasoning_content alone": message(lambda a: {"content": None, "reasoning_content": a}),
    "in reasoning alone": message(lambda a: {"content": "", "reasoning": a}),
    "behind a byte order mark": with_a_byte_order_mark,
    "behind white space": within_white_space,
    "whole, at the limit of tokens": ended_at_the_limit,
}


@pytest.mark.parametrize("name", TAKEN)
def test_an_answer_is_taken_at_the_first_try(platform: Home, name: str):
    with serving(server=Server(rule=lambda body: TAKEN[name])) as server:
        made = Labeller(platform, server.base_url).label()
    assert "unlabeled" not in made.frame["label"].to_list()
    assert server.calls.total() == len(RUNS)


def one_based(answer: dict) -> dict:
    return {str(int(step) + 1): verdict for step, verdict in answer.items()}


def one_too_few(answer: dict) -> dict:
    return {step: answer[step] for step in list(answer)[:-1]}


def each(answer: dict, **change: object) -> dict:
    return {step: {**verdict, **change} for step, verdict in answer.items()}


BAD: dict[str, tuple[Fault, str]] = {
    "JSON with a comma too many": (
        lambda draft: setattr(draft, "content", (draft.content or "")[:-1] + ",}"),
        "not one JSON object",
    ),
    "steps from one on": (verdicts(one_based), "missing steps: 0"),
    "a list": (verdicts(lambda answer: [*answer.values()]), "not an object"),
    "a label that is none": (verdicts(lambda a: each(a, label="Good")), "is labelled 'Good'"),
    "no reason": (verdicts(lambda a: each(a, reason=None)), "is not a string"),
    "a step too few": (verdicts(one_too_few), "missing steps"),
    "a refusal": (
        message(lambda a: {"content": None, "refusal": "I can't help with that."}),
        "refused: I can't help",
    ),
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
def test_an_answer_that_is_none_is_asked_for_once_more_and_told(platform: Home, name: str):
    fault, reason = BAD[name]
    with serving(server=Server(rule=lambda body: fault)) as server:
        made = Labeller(platform, server.base_url).label()
    assert {*made.frame["label"]} == {"unlabeled"}
    assert all(reason in told for told in made.frame["reason"])
    assert server.calls.total() == 2 * len(RUNS)


STREAM = b'data: {"choices": [{"delta": {"content": "{}"}}]}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html>Sign in</html>", "nor JSON: base_url"),
        (STREAM, "nor JSON: base_url"),
        (b'{"object": "chat.completion", "choices": []}', "no completion in the answer"),
    ],
)
def test_what_is_never_an_answer_labels_nothing(platform: Home, body: bytes, told: str):
    settings = {"endpoint": {"attempts": 2}}
    silent = Server(rule=lambda _: sending(body))
    with serving(server=silent), pytest.raises(SrftError, match=told):
        Labeller(platform, silent.base_url, settings).label()
    assert Warehouse(platform.warehouse).stamp("step_verdicts/c", "batch") is None


def test_a_refused_parameter_in_the_words_of_a_validator_is_left_out(platform: Home):
    refusal = {"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not"}
    body = {"object": "error", "message": {"detail": [{**refusal, "input": 0}]}, "code": None}

    def fault(draft: Draft) -> None:
        if "seed" in draft.body:
            failing(422, "")(draft)
            draft.raw = orjson.dumps(body)

    with serving(server=Server(rule=lambda _: fault)) as server:
        made = Labeller(platform, server.base_url).label()
    assert "unlabeled" not in made.frame["label"].to_list()


def test_a_prompt_that_the_provider_will_not_have_is_that_run_alone(platform: Home):
    def rule(body: dict) -> Fault | None:
        bad = len(body["response_format"]["json_schema"]["schema"]["properties"]) == 3
        return failing(400, "The response was filtered: content management policy") if bad else None

    with serving(server=Server(rule=rule)) as server:
        found = labels(Labeller(platform, server.base_url).label().frame)
    assert {name for name, steps in found.items() if "unlabeled" in steps} == {"bad"}
