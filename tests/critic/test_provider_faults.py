"""Whose fault it is that there is no answer: provider, account, settings, or the run itself.

Each message is one that providers are known to send.
"""

import orjson
import pytest

from srft_assets.critic.failures import CallError, Kind
from srft_assets.critic.ledger import Ledger
from srft_assets.critic.verdict import Label
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.warehouse.partitions import Warehouse
from tests.critic.calls import ask, request
from tests.critic.faults import Draft, Fault, failing, sending
from tests.critic.ledger_support import key_of, reply
from tests.critic.platform_support import Labeller, graded_runs, labels
from tests.critic.server import Server, serving

CREDIT = [
    (402, "Insufficient credits. Add more using https://example.org/credits"),
    (402, "This request requires more credits, or fewer max_tokens. You can only afford 12."),
    (402, "Insufficient Balance"),
    (400, "Your credit balance is too low to access the API."),
    (400, "Billing hard limit has been reached"),
    (429, "You exceeded your current quota: insufficient_quota"),
    (429, "Your account is not active, please check your billing details: billing_not_active"),
]
ECHOED = "the request is invalid: " + "billing insufficient credits moderation schema model " * 40
"""A message that holds the prompt, as some servers send."""
REFUSED_KEYS = [
    (401, "Unauthorized"),
    (403, "You are not allowed to sample from this model"),
    (403, "<html><title>Just a moment...</title></html>"),
]
TOO_LONG = [
    (400, "request (4390 tokens) exceeds the available context size (4096 tokens)"),
    (500, "the request exceeds the available context size. try increasing the context size"),
    (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)"),
    (400, "max_tokens must be at least 1, got -812."),
    (400, "This model's maximum context length is 1024 tokens."),
    (400, "The decoder prompt (length 9) is longer than the maximum model length of 8"),
    (413, "Payload"),
    (400, "prompt is too long: 208310 tokens > 200000 maximum"),
    (400, "Input tokens exceed the configured limit of 272000 tokens."),
]
ADVICE = {
    Kind.BAD_REQUEST: "refuses the",
    Kind.TOO_LONG: r"lower context.tokens or read in windows",
    Kind.FORBIDDEN: "forbids",
    Kind.AUTH: "api_key_env",
    Kind.MODEL: "`model`",
    Kind.ENDPOINT: "base_url",
    Kind.QUOTA: "no credit or quota left",
}


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        *((status, message, Kind.QUOTA) for status, message in CREDIT),
        *((status, message, Kind.AUTH) for status, message in REFUSED_KEYS),
        *((status, message, Kind.TOO_LONG) for status, message in TOO_LONG),
        (400, "Unknown field nucleus", Kind.BAD_REQUEST),
        (422, "temperature is no number", Kind.BAD_REQUEST),
        (404, "The model `critic-1` does not exist.", Kind.MODEL),
        (404, "Not Found", Kind.ENDPOINT),
        (400, "Invalid schema for response_format 'verdicts': not supported", Kind.BAD_REQUEST),
        (400, ECHOED, Kind.BAD_REQUEST),
        (404, ECHOED, Kind.ENDPOINT),
        (413, "Too large, at this generate rate", Kind.TOO_LONG),
        (400, "The response was filtered: content management policy", Kind.FORBIDDEN),
    ],
)
def test_what_cannot_go_better_is_told_at_once(
    server: Server, status: int, message: str, kind: Kind
):
    server.faults.append(failing(status, message))
    with pytest.raises(CallError, match=ADVICE[kind]) as told:
        ask(server.base_url, request())
    assert told.value.kind is kind
    assert "\n" not in str(told.value) and message[:150] in str(told.value)
    assert server.calls.total() == 1


def test_a_failure_in_a_list_is_read_too(server: Server):
    body = [{"error": {"code": 400, "message": "The input exceeds the maximum number of tokens"}}]
    server.faults.append(lambda draft: _status(draft, 400, body))
    with pytest.raises(CallError) as told:
        ask(server.base_url, request())
    assert told.value.kind is Kind.TOO_LONG


def _status(draft: Draft, status: int, body: object) -> None:
    draft.status, draft.raw = status, orjson.dumps(body)


def test_a_request_beyond_the_rate_is_tried_again(server: Server):
    server.faults.append(
        failing(413, "Request too large on tokens per minute, rate_limit_exceeded")
    )
    assert ask(server.base_url, request()).retries == 1


def test_a_quota_that_comes_back_by_itself_is_waited_for(server: Server):
    server.faults.append(failing(429, "You exceeded your current quota, check plan and billing"))
    assert ask(server.base_url, request()).retries == 1


def chat(message: dict, **choice: object) -> bytes:
    return orjson.dumps({"choices": [{"index": 0, "message": message, **choice}]})


@pytest.mark.parametrize(
    "body",
    [
        chat({"content": ""}, finish_reason="error", error={"code": 502, "message": "upstream"}),
        chat({"content": "half an ans"}, finish_reason="stop", error={"message": "upstream"}),
        chat({"content": ""}, finish_reason="stop"),
        chat({"content": None}, finish_reason="stop"),
        b'{"error": {"code": 429, "message": "Provider returned error"}}',
        b'{"choices": [], "usage": null}',
    ],
)
def test_a_failure_of_the_provider_within_a_200_is_tried_again(server: Server, body: bytes):
    server.faults.extend([sending(body)] * 2)
    told = ask(server.base_url, request())
    assert told.retries == 2 and told.content


def test_reasoning_that_was_cut_is_no_answer(server: Server):
    cut = chat({"content": "", "reasoning_content": "I think"}, finish_reason="length")
    server.faults.append(sending(cut))
    told = ask(server.base_url, request())
    assert (told.content, told.finish_reason) == (None, "length")


def test_what_the_ledger_kept_of_a_failure_is_asked_again_and_replaced(home: Home):
    failed = reply(1, content="", finish_reason="error", completion_tokens=0)
    with Ledger(home) as ledger:
        ledger.keep(failed)
        assert ledger.find([key_of(1)]) == {}
        assert ledger.claim(key_of(1)) is True
        answered = reply(1)
        assert ledger.keep(answered) == answered
        assert ledger.find([key_of(1)]) == {key_of(1): answered}


def refusing(message: str, *keys: str) -> Fault:
    """400 where the body holds one of the keys, in words that name it as {key}."""

    def fault(draft: Draft) -> None:
        if there := [key for key in keys if key in draft.body]:
            failing(400, message.format(key=there[0]))(draft)

    return fault


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        (
            refusing("'{key}' is not supported. Use 'max_completion_tokens' instead", "max_tokens"),
            {"max_completion_tokens": 300},
        ),
        (refusing("Unsupported parameter: '{key}'", "top_p", "temperature", "seed"), {}),
        (refusing("This {key} type is unavailable now", "response_format"), {"max_tokens": 300}),
        (refusing("'{key}' of type 'json_schema' is not supported", "response_format"), {}),
    ],
)
def test_parameters_that_a_server_refuses_are_learned_once(
    server: Server, fault: Fault, changed: dict
):
    server.rule, server.keep = lambda body: fault, True
    asked = [request(number, top_p=1.0, seed=0, max_tokens=300) for number in range(2)]
    first, second = (ask(server.base_url, one) for one in asked)
    assert [first.key, second.key] == [one.key for one in asked], "hashes of what the critic means"
    assert (first.retries, second.retries) == (0, 0)
    sent = server.bodies[-1]
    assert changed.items() <= sent.items()
    refused = len(server.bodies) - 2
    assert refused == len(asked[0].body.keys() - sent.keys()), "nothing is refused twice"


def test_of_two_parameters_that_exclude_each_other_one_is_left_out(server: Server):
    def fault(draft: Draft) -> None:
        if {"temperature", "top_p"} <= draft.body.keys():
            failing(400, "`temperature` and `top_p` cannot both be specified")(draft)

    server.rule, server.keep = lambda body: fault, True
    ask(server.base_url, request(top_p=1.0))
    assert "temperature" in server.bodies[-1] and "top_p" not in server.bodies[-1]


def test_parameters_may_be_stated(server: Server):
    server.keep = True
    stated = {"max_tokens": "max_completion_tokens", "temperature": None}
    ask(server.base_url, request(max_tokens=300), parameters=stated)
    [sent] = server.bodies
    assert sent["max_completion_tokens"] == 300
    assert not {"max_tokens", "temperature"} & sent.keys()


def test_a_parameter_that_is_stated_and_refused_ends_it(server: Server):
    server.rule = lambda body: refusing("Unsupported parameter: '{key}'", "temperature")
    with pytest.raises(CallError, match="refuses the request"):
        ask(server.base_url, request(), parameters={"temperature": "temperature"})


@pytest.fixture
def platform(home: Home) -> Home:
    graded_runs(home, [("bad", 3, False), ("worse", 4, False)])
    return home


@pytest.mark.parametrize(
    ("status", "message", "advice"),
    [
        (402, "Insufficient credits", "no credit or quota left"),
        (400, "Invalid schema for response_format", "answer_format"),
    ],
)
def test_a_fault_of_account_or_settings_labels_nothing(
    platform: Home, status: int, message: str, advice: str
):
    with serving(server=Server(rule=lambda body: failing(status, message))) as server:
        labeller = Labeller(platform, server.base_url)
        with pytest.raises(SrftError, match=advice):
            labeller.label()
        assert Warehouse(platform.warehouse).stamp("step_verdicts/c", "batch") is None
        server.rule = lambda body: None
        made = labeller.label()
    assert Label.UNLABELED not in made.frame["label"].to_list()


def test_a_request_that_is_refused_while_others_are_answered_is_at_fault_itself(platform: Home):
    def rule(body: dict) -> Fault | None:
        odd = len(body["response_format"]["json_schema"]["schema"]["properties"]) == 3
        return failing(400, "no reason that anybody knows") if odd else None

    with serving(server=Server(rule=rule)) as server:
        made = Labeller(platform, server.base_url).label()
        again = Labeller(platform, server.base_url).label()
    for one in (made, again):
        found = labels(one.frame)
        assert {name for name, steps in found.items() if "unlabeled" in steps} == {"bad"}
        assert [refusal.reason for refusal in one.refused] == [one.refused[0].reason]


@pytest.mark.parametrize("many", [False, True])
def test_runs_that_are_refused_when_it_goes_on(home: Home, many: bool):
    """A few are at fault themselves, as the server took others before; where all of many are
    refused it may be another server, and nothing is labelled."""
    names = range(40 if many else 3)
    graded_runs(home, [("good", 3, False), *((f"bad-{number}", 4, False) for number in names)])

    def rule(body: dict) -> Fault | None:
        odd = len(body["response_format"]["json_schema"]["schema"]["properties"]) == 4
        return failing(400, "no reason that anybody knows") if odd else None

    with serving(server=Server(rule=lambda body: rule(body) and failing(503, "later"))) as server:
        labeller = Labeller(home, server.base_url, {"endpoint": {"attempts": 1}})
        with pytest.raises(SrftError):
            labeller.label()
        assert len(server.answered) == 1
        server.rule = rule
        if many:
            with pytest.raises(SrftError, match="calls in a row failed"):
                labeller.label()
            return
        found = labels(labeller.label().frame)
    assert {name for name, steps in found.items() if "unlabeled" not in steps} == {"good"}
    assert len(found) == 4
