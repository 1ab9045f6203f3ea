"""Fingerprints: equal exactly where code, settings and inputs are."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from srft_assets.warehouse.recipe import Recipe, digest

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
texts = st.dictionaries(names, names, max_size=3)
recipes = st.builds(
    Recipe, code=texts, config=st.dictionaries(names, values, max_size=3), inputs=texts
)


def reordered(value: Any) -> Any:
    """The same value, all keys in the opposite order."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(values)
def test_the_order_of_keys_does_not_matter(value: Any) -> None:
    assert digest(value) == digest(reordered(value))


@given(recipes, recipes)
def test_fingerprints_are_equal_exactly_where_recipes_are(one: Recipe, other: Recipe) -> None:
    assert one.fingerprint == replace(one).fingerprint
    assert (one.fingerprint == other.fingerprint) == (digest(_all(one)) == digest(_all(other)))


@given(recipes, recipes)
def test_no_changes_are_told_exactly_where_there_are_none(one: Recipe, other: Recipe) -> None:
    assert one.changes_from(one) == []
    assert (other.changes_from(one) == []) == (_told(one) == _told(other))


def _all(recipe: Recipe) -> list[Any]:
    return [recipe.code, recipe.config, recipe.inputs]


def _told(recipe: Recipe) -> list[Any]:
    """A setting of None and no setting count as the same change."""
    return [
        recipe.code,
        {key: value for key, value in recipe.config.items() if value is not None},
        recipe.inputs,
    ]


def test_every_change_is_named() -> None:
    old = Recipe({"reader": "1"}, {"rate": 1, "same": 0}, {"runs/a": "x", "runs/b": "x"})
    new = Recipe({"reader": "2"}, {"rate": 2, "same": 0}, {"runs/a": "y", "runs/c": "x"})
    assert new.changes_from(old) == [
        "code reader changed",
        "rate: 1 → 2",
        "input runs/a changed",
        "input runs/b is gone",
        "input runs/c is new",
    ]
