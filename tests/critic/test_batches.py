"""Half price: a critic's requests go in batches to the provider, and nothing is paid for twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import polars as pl
import pytest

from srft_assets.critic import asking_jobs
from srft_assets.critic.failures import BudgetSpentError, CallError
from srft_assets.critic.jobs import Jobs, State
from srft_assets.critic.spending import Prices, Spent, spent
from srft_assets.critic.stages import llm_stage
from srft_assets.critic.verdict import Label
from srft_assets.errors import SrftError, WaitingError
from srft_assets.home import Home
from srft_assets.platform.removal import batch_removal
from srft_assets.project.settings import Price
from srft_assets.trajectories.renaming import rename
from srft_assets.warehouse.making import work_alone
from srft_assets.warehouse.stage import Allowance
from tests.critic.batch_server import Provider
from tests.critic.faults import Draft, Fault, failing, too_few_steps
from tests.critic.platform_support import Labeller, graded_runs, labels
from tests.critic.server import Server

FOUR = [(f"bad-{number}", 2, False) for number in range(4)]


@pytest.fixture
def provider(server: Server) -> Iterator[Provider]:
    server.provider = Provider()
    yield server.provider
    assert not server.calls, "no request was sent alone"
    assert set(server.answered.values()) <= {1}, "nothing was paid for twice"


@pytest.fixture
def labeller(home: Home, server: Server) -> Labeller:
    graded_runs(home, FOUR)
    return Labeller(home, server.base_url, {"endpoint": {"batch": True}})


def asked(provider: Provider) -> list[int]:
    """Requests of each batch."""
    return [len(provider.requests(batch)) for batch in provider.batches.values()]


def under_way(home: Home) -> list[int]:
    return [calls for _, calls in Jobs(home).under_way()]


def leave_under_way(labeller: Labeller, provider: Provider) -> None:
    """Submit a batch that does not end, and do not wait for it."""
    provider.hold = True
    with pytest.raises(WaitingError):
        labeller.label(wait=False)


def test_the_answers_of_a_batch_are_those_of_single_calls(home, labeller, provider, server):
    made = labeller.label()
    assert asked(provider) == [4]
    assert Label.UNLABELED not in made.frame["label"].to_list()
    assert (made.metadata["calls_paid"], made.metadata["calls_answered_by_ledger"]) == (4, 0)
    calls = pl.read_parquet(home.warehouse / "critic_calls/c/batch.parquet")
    assert sorted(calls["key"]) == sorted(server.answered)
    assert set(calls["batch"]) == {"batch"} and calls["about"].n_unique() == 4
    assert calls["prompt_tokens"].min() > 0
    assert under_way(home) == []

    labeller.settings["endpoint"]["batch"] = False
    alone = labeller.label()
    assert alone.frame.equals(made.frame)
    assert alone.metadata["calls_answered_by_ledger"] == 4


def test_a_bad_answer_is_asked_again_in_a_further_batch(labeller, provider, server):
    server.faults.append(too_few_steps)
    made = labeller.label()
    assert asked(provider) == [4, 1]
    assert len(provider.requests(provider.batches["batch-1"])[0]["body"]["messages"]) == 4
    assert Label.UNLABELED not in made.frame["label"].to_list()


def test_a_batch_holds_as_much_as_the_api_takes(labeller, provider, monkeypatch):
    labeller.settings["endpoint"]["batch_calls"] = 3
    labeller.label()
    assert asked(provider) == [3, 1]
    monkeypatch.setattr(asking_jobs, "FILE_BYTES", 1)
    labeller.words = labeller.words.replace("Label every", "Judge every")
    labeller.label()
    assert asked(provider) == [3, 1, 1, 1, 1, 1], "what is longer than a file is a file"


@pytest.mark.parametrize("end", ["expired", "failed token_limit_exceeded"])
def test_what_a_batch_left_is_asked_in_another(labeller, provider, end):
    provider.ends.append(end)
    made = labeller.label()
    assert asked(provider) == ([4, 2] if end == "expired" else [4, 4])
    assert made.metadata["calls_paid"] == 4


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("cancelled", "the batch batch-0 was cancelled: run again to ask for the rest"),
        ("cancelled us", "the batch batch-0 was cancelled: run again to ask for the rest"),
        ("failed invalid_model", "refuses the batch batch-0: Refused: invalid_model."),
    ],
)
def test_a_batch_that_is_of_no_use_ends_it_and_the_next_command_goes_on(
    labeller, provider, end, said
):
    provider.ends.append(end)
    with pytest.raises(CallError, match=said):
        labeller.label()
    assert len(provider.batches) == 1 and under_way(labeller.home) == []
    labeller.label()
    assert asked(provider) == ([4, 2] if end.startswith("cancelled") else [4, 4])


def refusal(line: bytes) -> bytes:
    """A line that refuses the request of this one, in nested lists that no JSON writer takes."""
    told = {"custom_id": orjson.loads(line)["custom_id"], "error": None}
    body = b"[" * 1020 + b"]" * 1020
    response = b'{"status_code": 400, "body": %s}' % body
    return orjson.dumps(told)[:-1] + b', "response": %s}' % response


@pytest.mark.parametrize(
    "odd",
    [
        lambda lines: [lines[0], *map(refusal, lines), *lines[1:]],
        lambda lines: [*lines, *lines[::-1]],
        lambda lines: [b"", b"no JSON", b"[]", b'{"custom_id": 7}', *lines, b'{"custom_id": "x"}'],
    ],
    ids=["refused and answered", "answered twice", "lines of nothing"],
)
def test_what_a_file_holds_besides_loses_no_answer(labeller, provider, odd):
    provider.rewrite["output"] = odd
    assert labeller.label().metadata["calls_paid"] == 4
    assert asked(provider) == [4]


def test_requests_that_are_refused_in_words_of_any_depth_are_failures(labeller, provider):
    provider.rewrite["output"] = lambda lines: [*map(refusal, lines[:1]), *lines[1:]]
    made = labeller.label()
    assert asked(provider) == [4]
    assert set(labels(made.frame)["bad-0"]) == {Label.UNLABELED} and len(made.refused) == 1


def test_files_that_come_later_than_their_batch_ends_are_waited_for(labeller, provider):
    provider.rewrite["output"], provider.late = lambda lines: [*lines[:1], lines[1][:30]], 2
    assert labeller.label().metadata["calls_paid"] == 4
    assert asked(provider) == [4] and provider.reached.count("output") == 3


def test_files_that_stay_short_of_what_was_paid_for_are_told_and_not_asked_anew(
    labeller, provider, home
):
    provider.rewrite["output"] = lambda lines: lines[:3]
    labeller.settings["endpoint"]["attempts"] = 2
    short = r"batch-0 says that 4 requests are done, and its files hold 3: .* --forget"
    with pytest.raises(CallError, match=short):
        labeller.label()
    assert asked(provider) == [4] and under_way(home) == [4]
    provider.rewrite.clear()
    assert labeller.label().metadata["calls_paid"] == 1
    assert asked(provider) == [4]


def test_a_request_that_is_refused_leaves_its_run_unlabeled(labeller, provider, server):
    server.rule = lambda body: failing(400, "context length") if "bad-3" in str(body) else None
    made = labeller.label()
    assert asked(provider) == [4], "asking it again would not help"
    found = labels(made.frame)
    assert [task for task, each in found.items() if set(each) == {Label.UNLABELED}] == ["bad-3"]
    (refused,) = made.refused
    assert "longer than the model's context" in refused.reason


def test_requests_that_fail_are_asked_as_often_as_the_endpoint_allows(labeller, provider, server):
    server.rule = lambda body: failing(500) if "bad-3" in str(body) else None
    labeller.settings["endpoint"]["attempts"] = 2
    with pytest.raises(
        SrftError, match=r"^1 calls got no answer \(HTTP 500: on demand\); 3 are in"
    ):
        labeller.label()
    assert asked(provider) == [4, 1]


def test_a_parameter_that_is_refused_is_left_out_of_the_next_batch(labeller, provider, server):
    def rule(body: dict[str, Any]) -> Fault | None:
        return failing(400, "Unsupported parameter: 'seed'") if "seed" in body else None

    server.rule = rule
    labeller.label()
    first, second = provider.batches.values()
    assert all("seed" in line["body"] for line in provider.requests(first))
    assert all("seed" not in line["body"] for line in provider.requests(second))


def test_a_wrong_key_is_told_and_nothing_is_asked_again(labeller, provider, server):
    server.rule = lambda body: failing(401)
    with pytest.raises(CallError, match="api_key_env"):
        labeller.label()
    assert asked(provider) == [4]


def test_an_answer_of_strange_text_is_not_lost(labeller, provider, server):
    def strange(draft: Draft) -> None:
        payload = draft.payload()
        assert isinstance(payload, dict)
        draft.content = str(draft.content).replace("by hash", "by \u2028 hash")

    server.rule = lambda body: strange
    made = labeller.label()
    assert made.metadata["calls_paid"] == 4 and asked(provider) == [4]


def test_who_does_not_wait_comes_back_for_the_batch(labeller, provider, home):
    provider.hold = True
    waits = r"^waiting for batch batch-0 \(in_progress, 0 of 4 calls, submitted .* UTC\): run again"
    for _ in range(2):
        with pytest.raises(WaitingError, match=waits):
            labeller.label(wait=False)
    assert asked(provider) == [4] and under_way(home) == [4]
    cost = labeller.cost()
    assert (cost.calls, cost.answered, cost.tokens_to_label) == (4, 4, 0)
    provider.hold = False
    assert labeller.label(wait=False).metadata["calls_paid"] == 4
    assert asked(provider) == [4]


def test_single_calls_wait_for_the_batch_that_holds_them(labeller, provider, home):
    leave_under_way(labeller, provider)
    labeller.settings["endpoint"]["batch"] = False
    with pytest.raises(WaitingError):
        labeller.label(wait=False)
    stage = llm_stage("c", labeller.spec, labeller.prompt)
    ids = stage.trial.subjects(home, "batch")
    with pytest.raises(SrftError, match=r"4 calls got no answer .*under way: srft critic batches"):
        stage.trial.make(work_alone(stage, home, "batch", run_id="try"), ids)
    provider.hold = False
    assert labeller.label().metadata["calls_paid"] == 4


def test_a_batch_of_runs_may_be_renamed_meanwhile(labeller, provider, home):
    leave_under_way(labeller, provider)
    rename(home, "batch", "other")
    (home.inbox / "batch.jsonl").rename(home.root / "batch.jsonl")
    assert any("batch of c at its provider" in line for line in batch_removal(home, "other").stays)
    provider.hold = False
    assert labeller.label("other").metadata["calls_paid"] == 4
    assert pl.read_parquet(home.warehouse / "critic_calls/c/other.parquet").height == 4


def test_two_at_once_submit_each_request_once(labeller, provider):
    with ThreadPoolExecutor(2) as both:
        made = [one.result() for one in [both.submit(labeller.label) for _ in range(2)]]
    assert made[0].frame.equals(made[1].frame)
    lines = [one for each in provider.batches.values() for one in provider.requests(each)]
    assert len({line["custom_id"] for line in lines}) == len(lines) == 4


def test_what_is_under_way_counts_at_its_estimate_and_then_at_half_the_price(
    labeller, provider, home
):
    leave_under_way(labeller, provider)
    prices = Prices({"m": Price(input=10, output=10)})
    reserved = spent(home, prices, "c")
    assert reserved.calls == 4
    assert reserved.usd == pytest.approx(reserved.tokens * 5 / 1e6)
    assert spent(home, prices, since="9999") == Spent()
    provider.hold = False
    (job, _), *_ = Jobs(home).under_way()
    labeller.label()
    paid = spent(home, prices, "c")
    assert paid.calls == 4 and 0 < paid.tokens < reserved.tokens
    assert paid.usd == pytest.approx(paid.tokens * 5 / 1e6)
    assert spent(home, prices, since=job.at).calls == 4, "of the day on which they were submitted"
    assert spent(home, prices, since=job.at.replace("+00:00", "z")) == Spent()


def test_a_budget_bounds_what_is_submitted(labeller, provider, home, monkeypatch):
    monkeypatch.setenv("SRFT_CRITIC_MAX_CALLS", "3")
    leave_under_way(labeller, provider)
    assert asked(provider) == [3]
    monkeypatch.setenv("SRFT_CRITIC_MAX_CALLS", "4")
    provider.hold = False
    allowance = Allowance("this command", since="2026-01-01", max_calls=3)
    with pytest.raises(
        BudgetSpentError, match=r"^this command: 3 calls are spent: 3 answered; run"
    ):
        labeller.label(allowance=allowance)
    assert labeller.label().metadata["calls_paid"] == 1
    assert asked(provider) == [3, 1]


def test_a_budget_that_another_process_took_meanwhile_is_not_passed(
    labeller, provider, home, server, monkeypatch
):
    graded_runs(home, [(f"more-{number}", 2, False) for number in range(4)], "other")
    monkeypatch.setenv("SRFT_CRITIC_MAX_CALLS", "5")
    provider.hold = True
    others = [Labeller(home, server.base_url, {"endpoint": {"batch": True}})]
    open_job = Jobs.open

    def first_the_other(jobs: Jobs, *given: Any) -> set[str]:
        while others:
            with pytest.raises(WaitingError):
                others.pop().label("other", wait=False)
        return open_job(jobs, *given)

    monkeypatch.setattr(Jobs, "open", first_the_other)
    with pytest.raises(BudgetSpentError, match="others spent meanwhile what these 4 calls would"):
        labeller.label(wait=False)
    assert asked(provider) == [4] and under_way(home) == [4]
    with pytest.raises(WaitingError):
        labeller.label(wait=False)
    assert asked(provider) == [4, 1], "what is left of it"


def test_a_server_without_a_batch_api_is_told(labeller, provider, home):
    labeller.base_url += "/elsewhere"
    with pytest.raises(
        CallError, match=r"no batch API at .*/elsewhere: leave endpoint.batch .*404"
    ):
        labeller.label()
    assert under_way(home) == []


def test_a_batch_that_nobody_knows_any_more_can_be_given_up(labeller, provider, home):
    leave_under_way(labeller, provider)
    labeller.base_url += "/elsewhere"
    with pytest.raises(SrftError, match=r"submitted to .*/v1, and the critic asks .*/elsewhere"):
        labeller.label()
    labeller.base_url = labeller.base_url.removesuffix("/elsewhere")
    provider.batches.clear()
    provider.hold = False
    with pytest.raises(CallError, match=r"does not know the batch batch-0: .* --forget"):
        labeller.label()
    (job, _), *_ = Jobs(home).under_way()
    assert job.state is State.SUBMITTED
    assert Jobs(home).give_up(job.id) == 4
    assert labeller.label().metadata["calls_paid"] == 4
