"""Rows of JSON files are found without parsing them."""

import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srft_assets.trajectories import spans

TEXT = st.text(alphabet='a"\\[]{},é\n ', max_size=12)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
CHUNKS = st.sampled_from([1, 2, 3, 7, 1 << 20])
relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def _restored_chunk() -> Iterator[None]:
    size = spans.CHUNK
    yield
    spans.CHUNK = size


def rows_of(data: bytes) -> list[bytes]:
    index = spans.index_array(io.BytesIO(data), len(data))
    return [data[slice(*index.span(row, 1))] for row in range(len(index))]


@relaxed
@given(st.lists(VALUE, max_size=6), st.sampled_from([None, 1]), st.booleans(), CHUNKS)
def test_rows_of_an_array_are_its_elements(values, indent, ascii_only, chunk):
    spans.CHUNK = chunk
    data = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode()
    assert [json.loads(row) for row in rows_of(data)] == values


@relaxed
@given(st.lists(VALUE, min_size=1, max_size=6), CHUNKS, st.data())
def test_a_range_of_rows_is_cut_as_in_the_whole(values, chunk, draw):
    spans.CHUNK = chunk
    data = json.dumps(values).encode()
    file = io.BytesIO(data)
    index = spans.index_array(file, len(data))
    first = draw.draw(st.integers(0, len(values) - 1))
    rows = draw.draw(st.integers(1, len(values) - first))
    start, end = index.span(first, rows)
    found = [data[a:b] for a, b in spans.element_spans(file, start, end, depth=1)]
    assert [json.loads(row) for row in found] == values[first : first + rows]


@relaxed
@given(st.lists(VALUE, min_size=1, max_size=5), st.data())
def test_a_truncated_array_keeps_its_whole_rows_and_the_unfinished_one(values, draw):
    data = json.dumps(values).encode()
    whole = rows_of(data)
    cut = draw.draw(st.integers(1, len(data) - 1))
    found = rows_of(data[:cut])
    assert found[:-1] == whole[: len(found) - 1]
    assert whole[len(found) - 1].startswith(found[-1])


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"[]", []),
        (b" [ ] \n", []),
        (b"[1,2]", [b"1", b"2"]),
        (b"[1,", [b"1", b""]),
        (b"[1] junk", [b"1", b" junk"]),
        (b'[{"a": "x', [b'{"a": "x']),
        (b'["\\"],[", 2]\n\n', [b'"\\"],["', b" 2"]),
    ],
)
def test_odd_arrays(data, rows):
    assert rows_of(data) == rows


@relaxed
@given(st.lists(st.binary(max_size=5).filter(lambda line: b"\n" not in line)), CHUNKS)
def test_rows_of_json_lines_are_its_lines(lines, chunk):
    spans.CHUNK = chunk
    data = b"".join(line + b"\n" for line in lines) + b"last"
    index = spans.index_lines(io.BytesIO(data))
    found = [data[slice(*index.span(row, 1))].removesuffix(b"\n") for row in range(len(index))]
    assert found == [*lines, b"last"]
