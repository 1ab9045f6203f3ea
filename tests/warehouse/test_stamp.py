"""What a partition says of itself survives the file, and DuckDB can read it."""

import duckdb
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.errors import Refusal, excerpt_of
from srft_assets.warehouse.partitions import Stamp, Warehouse, read_stamp
from srft_assets.warehouse.recipe import Recipe
from tests.warehouse.filled import put
from tests.warehouse.filled_figures import REFUSAL

texts = st.text(st.characters(exclude_categories=["Cs"]))
refusals = st.builds(
    Refusal,
    source=texts,
    reason=texts,
    row=st.none() | st.integers(0, 2**53),
    subject=st.none() | texts,
    excerpt=texts,
)


@given(st.dictionaries(texts, texts), st.lists(refusals, max_size=3))
def test_a_stamp_survives(config: dict[str, str], refused: list[Refusal]) -> None:
    recipe = Recipe(config=config)
    stamp = Stamp(recipe, recipe.fingerprint, "v", 1, "run", "2026-01-01", tuple(refused))
    assert Stamp.from_bytes(stamp.to_bytes()) == stamp


def test_a_stamp_is_in_the_file_as_json(warehouse: Warehouse) -> None:
    stamp = put(warehouse, "asset", "p", pl.DataFrame({"n": [1]}), refused=(REFUSAL,))
    path = warehouse.path("asset", "p")
    assert read_stamp(path) == stamp
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT decode(value)::JSON ->> '$.refused[0].subject' "
            "FROM parquet_kv_metadata($path) WHERE key = 'srft'::BLOB",
            {"path": str(path)},
        )
        assert found.fetchall() == [(REFUSAL.subject,)]


def test_a_file_without_a_stamp_has_none(warehouse: Warehouse) -> None:
    path = warehouse.path("asset", "p")
    path.parent.mkdir(parents=True)
    pl.DataFrame({"n": [1]}).write_parquet(path)
    assert read_stamp(path) is None


@given(texts | st.binary())
def test_an_excerpt_is_short_and_printable(text: str | bytes) -> None:
    assert len(excerpt_of(text)) <= 200
    assert excerpt_of(text).isprintable()
