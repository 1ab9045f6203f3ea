"""How a partition that is not in sync is shown: safely and briefly."""

from dataclasses import replace

import dagster as dg

from srft_assets.components.in_sync import ROWS, evaluation, observation
from srft_assets.warehouse.plan import Item, State
from srft_assets.warehouse.store import ONLY
from tests.platform.toy import Toy


def shown(item: Item) -> dg.AssetObservation:
    return observation(item, Toy().stages()["source"])


def test_a_batch_may_be_called_as_the_only_partition_of_other_assets_is():
    item = Item("source", ONLY, State.MISSING)
    assert shown(item).partition == ONLY
    whole = replace(Toy().stages()["source"], partitioned_by="none")
    assert observation(item, whole).partition is None


def test_hostile_reasons_are_shown_as_they_are_written():
    why = 'prompt.md: line 1: "<img src=x>" → "[a](http://x)|\n# b `c`\x1b[31m"'
    items = [Item("a", "p", State.STALE, (why,))]
    (row,) = str(evaluation("a", items).metadata["not in sync"].value).splitlines()[2:]
    for live in ("<img", "[a](", "`c`", "\x1b", "\n#"):
        assert live not in row.replace("\\`", "")
    assert isinstance(shown(items[0]).metadata["why"], dg.TextMetadataValue)
    assert "\x1b" not in str(shown(items[0]).metadata["why"].value)


def test_the_table_is_bounded():
    items = [Item("a", f"p{n}", State.MISSING) for n in range(ROWS + 7)]
    told = str(evaluation("a", items).metadata["not in sync"].value)
    assert len(told.splitlines()) == 2 + ROWS + 2
    assert "… and 7 more: `srft plan a`" in told


def test_a_reason_is_bounded():
    item = Item("a", "p", State.STALE, tuple(f"file {n}.json: 1 → 2" for n in range(5000)))
    assert len(str(shown(item).metadata["why"].value)) == 2000
    assert len(str(evaluation("a", [item]).metadata["not in sync"].value)) < 500
