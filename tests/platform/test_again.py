"""A lack that another try may mend: the run is tried again, once what else was begun has ended."""

import logging
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from srft_assets.components import asset
from srft_assets.platform.worker_pool import Ended


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the partitions of which Dagster hears."""
    names: list[str] = []
    monkeypatch.setattr(asset, "_figures", lambda *_: {})
    monkeypatch.setattr(asset, "_tell_of", lambda stage, context, done: names.extend(done))
    return names


def make(names: list[str], apart: bool) -> None:
    stage: Any = SimpleNamespace(key="k", apart=apart, partitioned_by="seed")
    context: Any = SimpleNamespace(log=logging.getLogger("k"), run_id="")
    platform: Any = SimpleNamespace(home=lambda: None, force=False)
    asset._make_all(stage, context, platform, names)


def ended(name: str) -> Ended:
    return Ended(name, "again", "reset by peer") if name == "b" else Ended(name, "made")


def test_the_others_come_to_their_end_first(
    told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRFT_JOBS", "2")
    monkeypatch.setattr(asset, "make_side_by_side", lambda asked, names, *_: map(ended, names))
    with pytest.raises(dg.RetryRequested):
        make(["a", "b", "c"], apart=True)
    assert told == ["a", "c"]


def test_one_after_the_other_they_are_tried_again_at_once(
    told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asset, "_make_one", lambda *of: ended(of[-1]))
    with pytest.raises(dg.RetryRequested):
        make(["a", "b", "c"], apart=False)
    assert told == ["a"]
