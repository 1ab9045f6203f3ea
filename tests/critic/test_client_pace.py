"""Figures of the progress bar."""

from datetime import timedelta

from srft_assets.critic.call import Reply
from srft_assets.critic.client.pace import Pace
from srft_assets.critic.spec import Endpoint

PRICED = Endpoint(usd_per_million_input=2.0, usd_per_million_output=10.0)


def reply(prompt: int, completion: int, cached: int = 0) -> Reply:
    return Reply("k", "{}", None, "stop", "m", prompt, completion, cached, retries=1)


def test_the_note_tells_speed_cache_cost_and_time_left() -> None:
    now = [100.0]
    pace = Pace(PRICED, total=110, clock=lambda: now[0])
    pace.kept(50)
    assert pace.note == "50 from the ledger"
    for _ in range(10):
        pace.paid(reply(90_000, 10_000, cached=45_000))
    now[0] += 20.0
    assert (pace.done, pace.usd, pace.tokens_per_second) == (60, 2.8, 50_000)
    assert pace.eta == timedelta(seconds=100)
    assert pace.note == (
        "50 from the ledger, 50,000 tokens/s, 50% of the prompt cached, $2.80, 0:01:40 left"
    )


def test_failures_are_told_and_take_time_too() -> None:
    now = [0.0]
    pace = Pace(Endpoint(), total=4, clock=lambda: now[0])
    pace.lost()
    assert pace.eta is None and pace.note == "1 failed"
    pace.paid(reply(10, 10))
    now[0] = 10.0
    assert pace.note == "2 tokens/s, 1 failed, 0:00:10 left"
    assert pace.metadata()["calls_failed"] == 1


def test_nothing_is_left_at_the_end_and_nothing_is_told_before_the_start() -> None:
    pace = Pace(Endpoint(), total=1)
    assert pace.note == ""
    pace.paid(reply(1, 1))
    assert pace.eta == timedelta(0) and "left" not in pace.note
