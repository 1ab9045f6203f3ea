"""How a partition that is not in sync is shown: safely and briefly."""

import dagster as dg

from srft_assets.components.in_sync import ROWS, evaluation, observation
from srft_assets.warehouse.plan import Item, State


def test_hostile_reasons_are_shown_as_they_are_written():
    why = 'prompt.md: line 1: "<img src=x>" → "[a](http://x)|\n# b `c`\x1b[31m"'
    items = [Item("a", "p", State.STALE, (why,))]
    (row,) = str(evaluation("a", items).metadata["not in sync"].value).splitlines()[2:]
    for live in ("<img", "[a](", "`c`", "\x1b", "\n#"):
        assert live not in row.replace("\\`", "")
    assert isinstance(observation(items[0]).metadata["why"], dg.TextMetadataValue)
    assert "\x1b" not in str(observation(items[0]).metadata["why"].value)


def test_the_table_is_bounded():
    items = [Item("a", f"p{n}", State.MISSING) for n in range(ROWS + 7)]
    told = str(evaluation("a", items).metadata["not in sync"].value)
    assert len(told.splitlines()) == 2 + ROWS + 2
    assert "… and 7 more: `srft plan a`" in told


def test_a_reason_is_bounded():
    item = Item("a", "p", State.STALE, tuple(f"file {n}.json: 1 → 2" for n in range(5000)))
    assert len(str(observation(item).metadata["why"].value)) == 2000
    assert len(str(evaluation("a", [item]).metadata["not in sync"].value)) < 500
