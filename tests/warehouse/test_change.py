"""What is told of a change is short, names old and new, and is there for every change."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.warehouse.recipe import AROUND, SHOWN, change

LINE = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), max_size=200)
LINES = st.lists(LINE, min_size=2, max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=100),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (0.0, 0.5, "0.0 → 0.5"),
        (None, 2, "null → 2"),
        ("failed", "all", '"failed" → "all"'),
        (["mistake"], ["mistake", "unnecessary"], '["mistake"] → ["mistake","unnecessary"]'),
        ("a\nb\nc", "a\nB\nc", 'line 2: "b" → "B"'),
        ("a\nb", "a\nb\nc", 'line 3: "" → "c"'),
        ("a\nb\nc", "a\nc", 'line 2: "b" → ""'),
        ("a\nb\nc\nd", "A\nb\nc\nD", 'line 1: "a" → "A", and 1 more place'),
        ("a\nb\nc\nd\ne", "A\nb\nC\nd\nE", 'line 1: "a" → "A", and 2 more places'),
        ("a\nb", "a\r\nb", "line ends changed"),
    ],
)
def test_what_is_told(old, new, told):
    assert change(old, new) == told


def test_of_a_long_line_what_stands_around_the_change():
    old = "x" * 100 + "every" + "y" * 100
    told = change(f"{old}\n", f"{old.replace('every', 'each')}\n")
    shared = "x" * (AROUND - 1)
    assert told.startswith(f'line 1: "…{shared}every')
    assert f' → "…{shared}each' in told
    assert "every" in told and "each" in told
    assert len(told) < 150


def test_of_a_long_value_what_stands_around_the_change():
    old, new = ({"url": f"http://{'x' * 80}/v{n}"} for n in (1, 2))
    told = change(old, new)
    assert told == f'…{"x" * (AROUND - 2)}/v1"}} → …{"x" * (AROUND - 2)}/v2"}}'


@given(old=VALUES, new=VALUES)
def test_short_values_are_told_whole(old, new):
    several = isinstance(old, str) and isinstance(new, str) and "\n" in old + new
    before, after = (orjson.dumps(value).decode() for value in (old, new))
    if not several and max(len(before), len(after)) <= SHOWN:
        assert change(old, new) == f"{before} → {after}"


@given(shared=LINE, old=VALUES, new=VALUES)
def test_what_differs_is_told_differently(shared, old, new):
    old, new = [shared, old], [shared, new]
    if orjson.dumps(old) != orjson.dumps(new):
        told = change(old, new)
        half = (len(told) - len(" → ")) // 2
        assert told != f"{told[:half]} → {told[:half]}"


@given(lines=LINES, place=st.integers(min_value=0), new=LINE)
def test_of_texts_the_first_line_that_differs_is_named(lines, place, new):
    place %= len(lines)
    changed = [*lines[:place], new, *lines[place + 1 :]]
    if new != lines[place]:
        told = change("\n".join(lines) + "\n", "\n".join(changed) + "\n")
        assert told.startswith("line ")
        number = int(told.removeprefix("line ").split(":")[0])
        assert lines[: min(number, place + 1) - 1] == changed[: min(number, place + 1) - 1]


@given(old=LINES, new=LINES)
def test_it_is_short_and_on_one_line(old, new):
    told = change("\n".join(old), "\n".join(new))
    assert len(told.splitlines()) == 1
    assert len(told) < 2 * SHOWN + 60
