"""A run is told by the outline of its JSON, without parsing it."""

import json

import orjson
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.trajectories.parse import outline
from srft_assets.trajectories.roles import RUN_KEYS, is_outlined_run, is_run
from tests.trajectories.ingest_support import ingested, run_of

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*sorted(RUN_KEYS), "info", "\u00e9"]), JSON))
def test_an_object_is_a_run_by_its_outline_exactly_where_it_is_by_its_value(value):
    for text in (orjson.dumps(value), json.dumps(value, indent=1).encode()):
        assert is_outlined_run(outline(text)) == is_run(value)
        assert outline(text[:-1]) == outline(text + b"}") == outline(b"[" + text + b"]") == {}


def test_what_json_does_not_know_has_no_outline_and_is_parsed_instead(home, tmp_path):
    assert outline(b'{"messages": [], "cost": Infinity}') == {}
    folder = tmp_path / "runs"
    folder.mkdir()
    text = json.dumps({**run_of("a"), "cost": float("inf")})
    (folder / "a.json").write_text(text)
    plan, _ = ingested(home, folder)
    assert plan.roles == {"runs": 1}
