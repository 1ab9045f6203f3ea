"""Whatever a server sends ends as a reply or as one clear line."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from srft_assets.critic.calls import Reply, parsed, reply_of
from srft_assets.critic.failures import CallError, asked_pause, failure_of, secrets_of
from tests.critic.calls import KEY

SECRETS = secrets_of("http://me:pass-word@host/v1", KEY)

keys = st.sampled_from(
    ["choices", "message", "content", "error", "code", "detail", "usage", "model", "finish_reason"]
)
headers = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "location"]), st.text(), max_size=3
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


def json_bytes(value: object) -> bytes:
    return json.dumps(value).encode()


bodies = st.binary() | json_values.map(json_bytes)


@given(st.integers(200, 599), headers, bodies, st.text(max_size=5))
@example(200, {}, b'{"error": {"code": 1' + b"0" * 400 + b"}}", "")
@example(503, {"retry-after": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}, b"", "")
def test_any_failure_is_one_line_without_the_key(
    status: int, sent: dict[str, str], body: bytes, around: str
) -> None:
    echoed = body + around.encode("utf-8", "replace") + KEY.encode() + b"\npass-word"
    for told in (failure_of(status, sent, each, SECRETS) for each in (body, echoed)):
        assert isinstance(told, CallError)
        assert told.reason.isprintable() and told.reason
        assert KEY not in told.reason and "pass-word" not in told.reason


@given(bodies)
@example(b'{"choices": [{"message": {"content": [{"text": 1}, 2, {}]}}]}')
@example(b'{"choices": ' + b"[" * 100_000)
@example(b'{"choices": [{"message": {"content": "x"}}], "usage": ' + b"9" * 5000 + b"}")
@example(b'{"choices": [{"message": {"content": "\\ud800"}}]}')
def test_any_body_is_a_reply_or_none(body: bytes) -> None:
    read = reply_of(parsed(body))
    assert read is None or isinstance(read, Reply)


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ (Jan|Feb) \d+ \d+:\d+:\d+( GMT| [+-]\d+)?"))
def test_any_header_asks_for_a_pause_or_for_none(value: str) -> None:
    pause = asked_pause({"retry-after": value})
    assert pause is None or 0 <= pause < float("inf")


@given(st.text(min_size=6, alphabet=st.characters(min_codepoint=33, max_codepoint=126)), st.text())
def test_a_key_is_found_wherever_it_stands(key: str, around: str) -> None:
    secrets = secrets_of("http://host/v1", key)
    assert key not in secrets.scrub(f"{around}{key}{around}").replace("[hidden]", "")
    assert key not in repr(secrets)
