"""Budgets that hold over runs: of a critic's life, and of a day of the schedule."""

import asyncio
from dataclasses import replace

import pytest

from srft_assets.critic import budget, spending
from srft_assets.critic.budget import Budget, Spent, left
from srft_assets.critic.calls import Reply
from srft_assets.critic.failures import BudgetSpentError
from srft_assets.critic.ledger import Ledger
from srft_assets.critic.spending import (
    AUTOMATION,
    NIGHTLY,
    Prices,
    lasting_budgets,
    price_of,
    prices_of,
    spent,
)
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.project.settings import CriticServer, Price, settings
from srft_assets.warehouse.stage import Allowance
from tests.critic.faults import no_usage
from tests.critic.platform_support import Labeller, graded_runs
from tests.critic.server import Server

FOUR = [(f"bad-{number}", 2, False) for number in range(4)]


@pytest.fixture
def labeller(home: Home, server: Server) -> Labeller:
    graded_runs(home, FOUR)
    return Labeller(home, server.base_url, {"endpoint": {"concurrency": 1}})


def answered(home: Home, *replies: tuple[str, str, str]) -> None:
    """Keep answers: critic, model, time; 1,000 tokens of prompt and 100 of answer each."""
    with Ledger(home) as ledger:
        for number, (critic, model, at) in enumerate(replies):
            ledger.keep(
                Reply(f"{number:064x}", "{}", None, "stop", model, 1000, 100, critic=critic, at=at)
            )


def test_what_answers_cost_by_critic_day_and_price(home):
    answered(
        home,
        ("a", "m-2026-01-01", "2026-11-28T23:59:59.000+00:00"),
        ("a", "m-2026-01-01", "2026-11-29T00:00:00.000+00:00"),
        ("b", "other", "2026-11-29T03:00:00.000+00:00"),
    )
    prices = Prices({"m": Price(input=10, output=100)})
    assert spent(home, prices) == Spent(3, 3300, pytest.approx(0.04))
    assert spent(home, prices, "a") == Spent(2, 2200, pytest.approx(0.04))
    assert spent(home, prices, since="2026-11-29") == Spent(2, 2200, pytest.approx(0.02))
    assert spent(Home(home.root / "new"), prices) == Spent()


def test_a_critic_with_a_price_of_its_own_counts_in_the_sum_of_all(home):
    answered(
        home,
        ("a", "served-as", "2026-11-29T00:00:00.000+00:00"),
        ("b", "m", "2026-11-29T03:00:00.000+00:00"),
    )
    prices = Prices({"m": Price(input=1)}, {"a": ("asked-for", Price(input=10, output=100))})
    assert spent(home, prices).usd == pytest.approx(0.02 + 0.001)
    assert prices.of("a", "m") == Price(input=1)
    assert prices.of("b", "other") is None


def test_the_files_of_critics_state_prices(tmp_path, monkeypatch):
    (tmp_path / "srft.yaml").write_text("critic: {model: gpt}\n")
    folder = tmp_path / "critics" / "mine"
    folder.mkdir(parents=True)
    folder.joinpath("defs.yaml").write_text(
        "type: srft_assets.components.Critic\n"
        "attributes: {kind: llm, endpoint: {usd_per_million_input: 3}}\n"
    )
    monkeypatch.setenv("SRFT_PROJECT", str(tmp_path))
    assert prices_of(settings()).critics["mine"] == ("gpt", Price(input=3))


def test_usd_cannot_be_bounded_without_a_price(labeller, server, monkeypatch):
    monkeypatch.setenv("SRFT_CRITIC_MAX_USD", "5")
    with pytest.raises(SrftError, match=r"critic.max_usd: there is no price for m: state it in"):
        labeller.label()
    assert server.answered.total() == 0


def test_usd_are_decided_by_what_calls_took_and_not_by_what_they_might_have():
    """Ten calls of 1,000 tokens at most, each of which takes 0.10 USD, of a budget of 1 USD."""
    made = [Spent()]

    async def ask(budget: Budget) -> None:
        while True:
            await budget.reserve(1000)
            budget.settle(1000, 1000)
            made.append(Spent(len(made), 1000 * len(made), 0.1 * len(made)))

    bounded = Budget(max_usd=1.0, whose="c", counted=lambda: made[-1], dearest=0.0002)
    with pytest.raises(BudgetSpentError, match=r"^c: 0\.90 of 1\.00 USD are spent, and the next"):
        asyncio.run(ask(bounded))


def test_what_a_server_does_not_count_is_estimated(labeller, server, home):
    server.faults.extend([no_usage] * 4)
    labeller.label()
    assert spent(home, Prices({})).tokens > 4 * 50


def test_the_longest_name_that_fits_is_the_price():
    prices = {"gpt": Price(input=1), "gpt-5-mini": Price(input=2)}
    assert price_of("gpt-5-mini-2026", prices).input == 2
    assert price_of("gpt-5", prices).input == 1
    assert price_of("llama", prices) is None


def test_a_critic_stops_at_the_budget_of_its_life_and_a_new_run_pays_nothing(
    labeller, server, monkeypatch
):
    monkeypatch.setenv("SRFT_CRITIC_MAX_CALLS", "3")
    said = r"the critic c \(critic.max_… of srft.yaml\): 3 calls are spent: 3 answered"
    with pytest.raises(BudgetSpentError, match=said):
        labeller.label()
    assert server.answered.total() == 3
    with pytest.raises(BudgetSpentError, match="3 calls are spent: 0 answered"):
        labeller.label()
    assert server.answered.total() == 3
    monkeypatch.setenv("SRFT_CRITIC_MAX_CALLS", "4")
    made = labeller.label()
    assert made.metadata["calls_paid"] == 1
    assert made.metadata["calls left in the critic's life"] == 0


@pytest.mark.parametrize("by", [NIGHTLY, AUTOMATION])
def test_a_day_of_what_starts_by_itself_has_a_budget_and_the_next_day_goes_on(
    labeller, server, monkeypatch, by
):
    monkeypatch.setenv("SRFT_RELABEL_MAX_CALLS", "3")
    with pytest.raises(BudgetSpentError, match=rf"{by} today .* 3 calls are spent"):
        labeller.label(started_by=by)
    with pytest.raises(BudgetSpentError, match=r"0 answered; the rest waits for the next night$"):
        labeller.label(started_by=by)
    assert server.answered.total() == 3
    monkeypatch.setattr(spending, "today", lambda: "9999-01-01")
    labeller.label(started_by=by)
    assert server.answered.total() == 4


def test_what_a_run_asked_before_midnight_is_of_the_day_before(monkeypatch):
    """One run goes on over midnight (UTC): the new day has its whole budget, and no more."""
    day, of_day = ["2026-01-01"], {"2026-01-01": 0, "2026-01-02": 0}
    monkeypatch.setattr(budget, "today", lambda: day[0])
    monkeypatch.setattr(budget, "LOOK_SECONDS", 0.0)
    tonight = Budget(max_calls=3, counted=lambda: Spent(of_day[day[0]]))

    async def ask(times: int) -> None:
        for _ in range(times):
            await tonight.reserve(10)
            of_day[day[0]] += 1
            tonight.settle(10, 10)

    asyncio.run(ask(2))
    day[0] = "2026-01-02"
    asyncio.run(ask(3))
    with pytest.raises(BudgetSpentError, match="3 calls are spent"):
        asyncio.run(ask(1))
    assert of_day == {"2026-01-01": 2, "2026-01-02": 3}


def test_what_people_start_is_not_bounded_by_the_schedule(labeller, server, monkeypatch):
    monkeypatch.setenv("SRFT_RELABEL_MAX_CALLS", "1")
    labeller.label()
    assert server.answered.total() == 4


def test_usd_bound_what_is_asked(labeller, server, monkeypatch):
    monkeypatch.setenv("SRFT_CRITIC_MAX_USD", "0.000001")
    labeller.settings["endpoint"] |= {"usd_per_million_input": 10, "usd_per_million_output": 10}
    with pytest.raises(BudgetSpentError, match=r"0\.00 of 0\.00 USD are spent"):
        labeller.label()
    assert server.answered.total() == 0


def test_a_command_may_pay_so_much_from_its_start_on(labeller, server):
    bounded = Allowance("this command", since="2026-01-01", max_usd=0.000001)
    with pytest.raises(SrftError, match=r"^this command: there is no price for m: state it in"):
        labeller.label(allowance=bounded)
    labeller.settings["endpoint"] |= {"usd_per_million_input": 1, "usd_per_million_output": 1}
    with pytest.raises(BudgetSpentError, match=r"^this command: 0\.00 of 0\.00 USD are spent"):
        labeller.label(allowance=bounded)
    labeller.label(allowance=replace(bounded, max_usd=1.0))
    with pytest.raises(BudgetSpentError, match=r"^this command: 4 calls are spent: 0 answered"):
        other = Labeller(labeller.home, labeller.base_url, words="Judge. {{ run }} {{ answer }}")
        other.label(allowance=replace(bounded, max_usd=None, max_calls=4))
    labeller.label(allowance=Allowance("this command", since="9999-01-01", max_calls=0))
    assert server.answered.total() == 4


def test_without_bounds_there_is_no_budget_and_nothing_is_left_to_tell(labeller, home):
    assert lasting_budgets(home, "c", labeller.spec, NIGHTLY) == []
    assert left(CriticServer(), Spent(5, 10, 1.0)) == {}
    assert left(CriticServer(max_calls=3, max_usd=2), Spent(5, 10, 0.5)) == {"calls": 0, "usd": 1.5}
