"""Versions of critics side by side."""

import pytest

from srft_assets.critic.scores import find_version, label_changes, shared_steps
from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.warehouse.catalogue import build_catalogue
from srft_assets.warehouse.query import run_query
from tests.critic.platform_support import WORDS, Labeller, graded_runs
from tests.critic.server import serving

OTHER = WORDS.replace("every", "each")


@pytest.fixture
def labeller(home: Home):
    graded_runs(home, [("bad", 6, False), ("worse", 9, False)])
    with serving() as server:
        labeller = Labeller(home, server.base_url)
        labeller.label()
        labeller.words = OTHER
        labeller.label()
        build_catalogue(home, SCHEMAS)
        yield labeller


def test_the_present_and_the_previous_version_have_names(labeller, home):
    now, before = find_version(home, "c"), find_version(home, "c@previous")
    assert now.version != before.version
    assert find_version(home, f"c@{before.version[:5]}") == before


def test_changes_are_the_steps_with_another_label_and_both_reasons(labeller, home):
    now, before = find_version(home, "c"), find_version(home, "c@previous")
    changes = label_changes(home, before, now)
    assert 0 < changes.height <= shared_steps(home, before, now) == 15
    assert (changes["label_a"] != changes["label_b"]).all()
    back = label_changes(home, now, before)
    assert back.select("label_a").equals(changes.select(label_a="label_b"))


def test_back_at_the_first_version_both_stay_and_the_first_is_the_present_one(labeller, home):
    before = find_version(home, "c@previous")
    labeller.words = WORDS
    labeller.label()
    assert find_version(home, "c") == before
    history = run_query(home, "critic_history").filter(critic="c")
    assert history.height == 2
    assert history["steps"].to_list() == [15, 15]


@pytest.mark.parametrize(
    ("stated", "told"),
    [("c@zz", "no version fits"), ("nobody", "has labelled nothing yet"), ("c@", "")],
)
def test_what_does_not_exist_is_told_with_what_does(labeller, home, stated, told):
    if not told:
        assert find_version(home, stated) == find_version(home, "c")
        return
    with pytest.raises(UsageError, match=told):
        find_version(home, stated)


def test_earlier_prompts_can_be_read(labeller, home):
    prompts = run_query(home, "SELECT version, prompt FROM critic_versions WHERE critic = 'c'")
    assert {"every" in text for text in prompts["prompt"]} == {True, False}
