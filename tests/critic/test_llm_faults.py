"""What goes wrong on the way to a verdict, over the real wire."""

from contextlib import contextmanager

import polars as pl
import pytest

from srft_assets.critic.verdict import Label
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.serving.server import Served
from srft_assets.warehouse.partitions import Warehouse
from tests.critic.answers import schema_of
from tests.critic.faults import echoing_key, failing, refusing, too_few_steps
from tests.critic.platform_support import Labeller, graded_runs, labels
from tests.critic.server import Server, serving


@pytest.fixture
def platform(home: Home) -> Home:
    graded_runs(home, [("bad", 3, False), ("worse", 4, False)])
    return home


def labelled(platform: Home, *faults, rule=lambda body: None, **settings):
    endpoint = {"attempts": 2, "concurrency": 1} | settings
    with serving(*faults, server=Server(keep=True, rule=rule)) as server:
        made = Labeller(platform, server.base_url, {"endpoint": endpoint}).label()
    return made, server


def steps_of(body: dict) -> int:
    """How many steps a request asks about."""
    return len(schema_of(body)["properties"])


def test_a_bad_answer_is_asked_again_once_with_the_error_stated(platform):
    made, server = labelled(platform, too_few_steps)
    assert Label.UNLABELED not in made.frame["label"].to_list()
    assert server.answered.total() == 3
    again = next(body for body in server.bodies if len(body["messages"]) > 2)
    assert again["messages"][-1]["role"] == "user"


def test_after_a_second_bad_answer_the_steps_are_unlabeled_counted_and_not_paid_again(platform):
    made, server = labelled(platform, rule=lambda body: refusing if steps_of(body) == 3 else None)
    found = labels(made.frame)
    assert {task for task, each in found.items() if set(each) == {Label.UNLABELED}} == {"bad"}
    assert all("refused: I cannot help" in told for told in made.frame["reason"][:3])
    assert made.metadata["answers_refused"] == 2
    assert server.answered.total() == 3
    again, server = labelled(platform)
    assert again.frame.equals(made.frame) and server.answered.total() == 0


def test_a_failing_server_is_asked_again(platform):
    made, _ = labelled(platform, failing(500))
    assert Label.UNLABELED not in made.frame["label"].to_list()


def test_calls_without_an_answer_leave_the_partition_unmade_and_keep_what_was_paid(platform):
    with pytest.raises(SrftError, match="run again to go on"):
        labelled(platform, None, failing(500), failing(500))
    assert Warehouse(platform.warehouse).stamp("step_verdicts/c", "batch") is None
    calls = platform.warehouse / "critic_calls" / "c" / "batch.parquet"
    assert pl.read_parquet(calls).height == 1, "what was paid is told although nothing was made"
    made, server = labelled(platform)
    assert server.answered.total() == 1
    assert len(labels(made.frame)) == 2


def test_a_spent_budget_stops_cleanly_and_the_next_run_goes_on(platform):
    with pytest.raises(SrftError, match="budget of this run: 1 calls are spent"):
        labelled(platform, max_calls=1)
    made, server = labelled(platform)
    assert server.answered.total() == 1
    assert len(labels(made.frame)) == 2


def test_a_wrong_key_is_told_at_once_without_the_key(platform, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with pytest.raises(SrftError) as told:
        labelled(platform, *[echoing_key()] * 4)
    assert "sk-very-secret" not in str(told.value)


def test_a_model_that_the_server_does_not_have_is_told_before_anything_is_asked(platform):
    with serving() as server:

        @contextmanager
        def served():
            yield Served(server.base_url, models=("other",))

        labeller = Labeller(platform, "", {"endpoint": {"base_url": None}})
        with pytest.raises(SrftError, match="asks for m, and the server has other"):
            labeller.label(serve=served)
    assert server.calls.total() == 0
