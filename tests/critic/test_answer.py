"""The schema of an answer, what is taken as an answer, and what is told where it is none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.critic.answer import (
    REASON_CHARS,
    BadAnswer,
    again,
    constraint,
    described,
    parse,
    schema,
)
from srft_assets.critic.calls import Reply, Request
from srft_assets.critic.prompt.requests import Seen, requests_for
from srft_assets.critic.verdict import Label, Verdict
from srft_assets.text import NOT_PRINTABLE
from tests.critic.prompt_runs import PROMPT, run, spec, step

TWO = '{"0": {"reason": "looks", "label": "good"}, "1": {"reason": "breaks", "label": "mistake"}}'


@pytest.fixture(scope="module")
def request_of_two() -> Request:
    return requests_for(spec(), PROMPT, run(step(), step()), Seen("unresolved")).requests[0]


def reply(content: str | None, finish: str | None = "stop", refusal: str | None = None) -> Reply:
    return Reply("k" * 64, content, refusal, finish, "some-model")


def read(content: str | None, steps: range = range(2), **settings) -> list[Verdict] | BadAnswer:
    return parse(reply(content), Request({}, steps), spec(**settings))


def bad(content: str | None, steps: range = range(2), **settings) -> tuple[str, str]:
    answer = read(content, steps, **settings)
    assert isinstance(answer, BadAnswer)
    return answer.kind, answer.reason


def test_the_schema_has_one_required_property_for_every_step():
    made = schema(range(4, 7), spec())
    assert made["required"] == list(made["properties"]) == ["4", "5", "6"]
    assert made["additionalProperties"] is False


def test_the_reason_comes_before_the_label():
    verdict = schema(range(1), spec())["properties"]["0"]
    assert verdict == {
        "type": "object",
        "properties": {
            "reason": {"type": "string"},
            "label": {"type": "string", "enum": ["good", "unnecessary", "mistake", "recover"]},
        },
        "required": ["reason", "label"],
        "additionalProperties": False,
    }
    assert json.dumps(verdict).index("reason") < json.dumps(verdict).index("label")


def test_without_reasons_each_step_is_a_label():
    made = schema(range(1), spec(reasons=False, labels=["good", "mistake"]))
    assert made["properties"] == {"0": {"type": "string", "enum": ["good", "mistake"]}}


def test_openais_way_vllms_way_and_none():
    steps = range(2)
    made = schema(steps, spec())
    assert constraint(steps, spec()) == {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "verdicts", "strict": True, "schema": made},
        }
    }
    assert constraint(steps, spec(answer_format="structured_outputs")) == {
        "structured_outputs": {"json": made}
    }
    assert constraint(steps, spec(answer_format="prompt")) == {}


@pytest.mark.parametrize("reasons", [True, False])
def test_the_answer_is_described_in_words_with_every_label(reasons):
    told = described(spec(reasons=reasons))
    assert all(f'"{label}"' in told for label in spec().labels)
    assert '"<index>": ' in told
    assert ('"reason"' in told) is reasons


def test_a_valid_answer_gives_a_verdict_for_every_step_in_order():
    swapped = json.dumps(dict(reversed(json.loads(TWO).items())))
    for content in (TWO, swapped):
        assert read(content) == [
            Verdict(0, Label.GOOD, "looks", "some-model", "k" * 64),
            Verdict(1, Label.MISTAKE, "breaks", "some-model", "k" * 64),
        ]


def test_labels_alone_are_enough_where_no_reasons_are_asked_for():
    verdicts = read('{"7": "recover"}', range(7, 8), reasons=False)
    assert verdicts == [Verdict(7, Label.RECOVER, "", "some-model", "k" * 64)]


@pytest.mark.parametrize(
    "content",
    [
        f"```json\n{TWO}\n```",
        f"```\n{TWO}\n```\n",
        f"<think>\nStep 0 {{seems}} fine\n</think>\n\n{TWO}",
        f"so they reason\n</think>\n```json\n{TWO}\n```",
        f"\n\n  {TWO}  \n",
        f"Here is the JSON:\n\n```json\n{TWO}\n```\n",
        f"My assessment: {TWO}\nLet me know if you need more.",
        f'<think>\nhm {{"0": 1}}\n</think>\n\n{TWO}',
        f"<think>x</think>\nHere:\n```json\n{TWO}\n```",
        f"[THINK]hm[/THINK]{TWO}",
        f"<|channel|>analysis<|message|>hm<|end|><|channel|>final<|message|>{TWO}",
        f"\ufeff{TWO}",
        f"{TWO}\n{TWO}",
    ],
)
def test_a_fence_or_thinking_around_the_object_is_taken_off(content):
    assert read(content) == read(TWO)


def test_raw_control_characters_are_taken_and_cleaned():
    content = TWO.replace("looks", "one\ntwo\x1b[31m\x00")
    assert read(content)[0].reason == "one two␛[31m␀"


def test_a_long_reason_is_cut():
    assert len(read(TWO.replace("looks", "x" * 9999))[0].reason) == REASON_CHARS


@pytest.mark.parametrize(
    ("told", "kind", "reason"),
    [
        (reply(None, refusal="I can't\nhelp."), "refused", "the answer was refused: I can't help."),
        (reply("", "content_filter"), "refused", "by the server's content filter"),
        (reply(TWO[:40], "length"), "cut", "cut after 224 tokens: give shorter reasons"),
        (reply(None), "empty", "the answer was empty"),
        (reply(" \n"), "empty", "the answer was empty"),
        (reply("<think>hm</think>"), "empty", "the answer was empty"),
    ],
)
def test_a_reply_without_an_answer_says_why(told, kind, reason, request_of_two):
    answer = parse(told, request_of_two, spec())
    assert isinstance(answer, BadAnswer)
    assert answer.kind == kind
    assert answer.reason.endswith(reason)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("Step 0 is good.", "the answer is not one JSON object (Expecting value: line 1 column 1"),
        (TWO[:-1], "the answer is not one JSON object (Expecting ',' delimiter"),
        (TWO + TWO.replace("good", "recover"), "the answer holds 2 objects that contradict"),
        ("[" * 100_000, "the answer is not one JSON object (maximum recursion depth"),
        ("9" * 5000, "the answer is not one JSON object (Exceeds the limit"),
        ('["good", "good"]', "the answer is JSON, but not an object"),
        ('{"0": "good", "1": "good"}', "step 0 is no object with a reason and a label"),
        (TWO.replace('"looks"', "null"), "step 0: the label or the reason is not a string"),
        (
            TWO.replace('"reason": "breaks"', '"label": "good"'),
            "step 1 is no object with a reason and a label",
        ),
    ],
)
def test_what_is_not_the_object_asked_for_is_not_json(content, told):
    kind, reason = bad(content)
    assert kind == "not_json"
    assert reason.startswith(told)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"0": {"reason": "", "label": "good"}}', "missing steps: 1"),
        (TWO[:-1] + ', "2": {}}', "keys that no step has: 2"),
        (TWO.replace('"1"', '"01"'), "missing steps: 1; keys that no step has: 01"),
        (TWO.replace('"1"', '"0"'), "step 0 is there twice"),
        ("{}", "missing steps: 0, 1"),
        (f'{{"steps": {TWO}}}', "missing steps: 0, 1; keys that no step has: steps"),
    ],
)
def test_missing_extra_and_doubled_steps_are_named(content, told):
    assert bad(content) == ("wrong_steps", told)


def test_many_missing_steps_are_told_shortly():
    _, reason = bad("{}", range(200))
    assert reason == "missing steps: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 190 more"


@pytest.mark.parametrize("label", ["fine", "Good", "unlabeled", "", "x" * 9999, "\x1b[31m"])
def test_an_unknown_label_is_named(label):
    kind, reason = bad(TWO.replace('"mistake"', json.dumps(label)))
    assert kind == "unknown_label"
    assert reason.startswith("step 1 is labelled '")
    assert reason.endswith("not one of good, unnecessary, mistake, recover")
    assert reason.isprintable()
    assert len(reason) < 300


def test_a_label_that_this_critic_does_not_give_is_unknown():
    assert bad(TWO, labels=["good", "recover"])[0] == "unknown_label"


LABELS = st.sampled_from(["good", "unnecessary", "mistake", "recover"])


@given(st.integers(0, 50), st.lists(st.tuples(st.text(), LABELS), min_size=1, max_size=20))
def test_any_answer_of_the_schema_is_read(first, told):
    steps = range(first, first + len(told))
    answer = {
        str(index): {"reason": reason, "label": label}
        for index, (reason, label) in zip(steps, told, strict=True)
    }
    for content in (json.dumps(answer), json.dumps(answer, ensure_ascii=False)):
        verdicts = read(content, steps)
        assert [verdict.step_index for verdict in verdicts] == list(steps)
        assert [verdict.label for verdict in verdicts] == [label for _, label in told]
        assert not any(NOT_PRINTABLE.search(verdict.reason) for verdict in verdicts)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | LABELS,
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(st.sampled_from(["0", "1", "reason", "label"]), values, max_size=4)
    ),
)


@given(st.text() | JSON.map(json.dumps))
def test_any_other_text_is_a_bad_answer_and_never_an_error(content):
    answer = read(content)
    if isinstance(answer, BadAnswer):
        assert answer.reason
        assert "\n" not in answer.reason
    else:
        assert [verdict.step_index for verdict in answer] == [0, 1]


def test_asking_again_states_the_error_and_keeps_the_schema(request_of_two):
    told = reply("good, then bad <|im_end|>\x1b")
    answer = parse(told, request_of_two, spec())
    assert isinstance(answer, BadAnswer)
    second = again(request_of_two, told, answer)
    first, body = request_of_two.body, second.body
    assert body["messages"][:-2] == first["messages"]
    assert body["messages"][-2] == {
        "role": "assistant",
        "content": "good, then bad < |im_end|>␛",
    }
    assert "the answer is not one JSON object" in body["messages"][-1]["content"]
    assert {**body, "messages": 0} == {**first, "messages": 0}
    assert second.steps == request_of_two.steps
    assert second.key != request_of_two.key


def test_a_long_bad_answer_is_told_shortly_and_none_as_none(request_of_two):
    long = again(request_of_two, reply("x" * 9999), BadAnswer("not_json", "no"))
    assert len(long.body["messages"][-2]["content"]) == 300
    none = again(request_of_two, reply(None), BadAnswer("empty", "no"))
    assert none.body["messages"][-2]["content"] == "(no answer)"
