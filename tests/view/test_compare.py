"""Two critics side by side, and two arms: which label became which, which task one resolves."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.view.compare import difference, flow_of, prompt_of
from srft_assets.view.index import Index, page_sql
from srft_assets.view.statistics import CHARTS, draw
from srft_assets.warehouse.query import run_query
from tests.view.served import LABELS, SCRIPT, STEPS, Served
from tests.view.test_markup import Read


def test_the_flow_counts_every_step_once(home: Home) -> None:
    index = Index(home)
    flow = flow_of(index, "one", "two")
    assert flow.steps == 4 * STEPS and flow.same == 4 * (STEPS - 1)
    assert flow.counts[("m", "g")] == 4 and flow.counts[("-", "-")] == 4
    assert flow.shade("m", "g") == 4 and flow.shade("g", "m") == 0
    assert flow_of(index, "one", "two", "plain").steps == 3 * STEPS
    assert flow_of(index, "one", "one@v1").same == 4 * STEPS
    assert flow_of(index, "one", "one").kappa == 1


def test_the_kappa_is_that_of_the_warehouse(full: Home) -> None:
    index = Index(full)
    stored = run_query(full, "FROM critic_agreement").to_dicts()
    assert stored
    for row in stored:
        flow = flow_of(index, row["critic_a"], row["critic_b"])
        labelled = {pair: n for pair, n in flow.counts.items() if "-" not in pair}
        assert sum(labelled.values()) == row["steps"]
        assert flow.kappa == (None if row["kappa"] is None else pytest.approx(row["kappa"]))


def test_prompts_are_those_of_the_versions_and_their_difference_is_text(full: Home) -> None:
    index = Index(full)
    kept = run_query(full, "FROM critic_versions").to_dicts()
    assert kept
    for row in kept:
        found = prompt_of(index, f"{row['critic']}@{row['version']}")
        assert found is not None and found["prompt"] == row["prompt"]
    assert prompt_of(index, "nobody") is None
    html = str(difference("same\nold", f"same\n{SCRIPT}"))
    assert '<span class="del">-old</span>' in html and "<script" not in html
    assert difference("same", "same") == ""


def test_tasks_are_those_that_only_one_arm_resolves(full: Home) -> None:
    index = Index(full)
    pairs = run_query(full, "FROM arm_pairs").to_dicts()
    assert pairs
    for row in pairs:
        tasks = index.ask(page_sql("arm_tasks"), {"a": row["arm_a"], "b": row["arm_b"]}).to_dicts()
        assert tasks
        for task in tasks:
            for side in "ab":
                mine = run_query(
                    full,
                    "SELECT count(resolved), count(*) FILTER (resolved) FROM eval_scores "
                    "WHERE arm = $arm AND instance_id = $task",
                    {"arm": row[f"arm_{side}"], "task": task["instance_id"]},
                ).row(0)
                assert mine == (task[f"attempts_{side}"], task[f"resolved_{side}"])


@pytest.mark.parametrize("name", [chart.name for chart in CHARTS])
def test_every_chart_draws_the_rows_of_its_question(full: Home, name: str) -> None:
    index = Index(full)
    critic = index.critics()[0]
    drawn = draw(index, name, critic)
    asked_again = run_query(full, drawn.question)
    assert asked_again.equals(drawn.rows) and drawn.rows.height
    read = Read(str(drawn.svg))
    assert {"svg"} <= read.elements
    assert not {one for one in read.elements if " on" in one or "script" in one or "style" in one}
    known = drawn.rows.filter(~pl.any_horizontal(pl.all().exclude(drawn.rows.columns[0]).is_null()))
    names = known[drawn.rows.columns[0]].cast(pl.String).fill_null("none").unique()
    assert all(one[:20] in read.text for one in names.to_list()[:20])


def test_a_chart_that_is_not_there_is_told(full: Home) -> None:
    with pytest.raises(UsageError, match="labels"):
        draw(Index(full), "nothing", "rules")


def test_a_hostile_name_is_text_in_a_chart(home: Home) -> None:
    from srft_assets.view.charts import Bar, bars, lines, stacked

    for svg in (
        bars([Bar(SCRIPT, 0.5, 0.1, 0.9)], share=True),
        stacked({SCRIPT: {SCRIPT: 1.0}}, [SCRIPT]),
        lines({SCRIPT: [(0, 1), (1, 2)]}, share=False),
    ):
        assert "script" not in {one.split()[0] for one in Read(str(svg)).elements}
        assert "&lt;script&gt;" in svg


def test_critics_are_compared_on_the_page(page: Any, served: Served) -> None:
    page.goto(served.at("/compare?batch=plain"))
    text = page.locator("main").inner_text()
    assert f"{3 * (STEPS - 1)} of {3 * STEPS} steps with the same label" in text
    assert page.locator("table.runs tbody tr").count() == 3
    page.locator("table.runs tbody a").first.click()
    page.wait_for_url("**/run/**show=one&show=two**")
    assert page.locator("article.differ").count() == 1
    page.goto(served.at("/compare?a=one&b=one@v0"))
    row = page.locator("table.flow tbody tr", has_text="mistake")
    assert row.locator("td.h4").inner_text() == "4" and LABELS[2] == "mistake"


def test_two_runs_stand_side_by_side(page: Any, served: Served) -> None:
    page.goto(served.at("/pair?a=a.&b=b."))
    assert page.locator(".pair > section").count() == 2
    assert page.locator("article.step").count() == 2 * STEPS
    ids = [one.get_attribute("id") for one in page.locator("article.step").all()]
    assert len(set(ids)) == len(ids)
    assert page.goto(served.at("/pair?a=a.")).status == 404


def test_a_chart_is_shown_with_its_sql(page: Any, served: Served, tmp_path: Path) -> None:
    page.goto(served.at("/statistics?chart=position&critic=one"))
    assert page.locator("svg.chart rect").count() >= STEPS
    assert "WHERE critic = 'one'" in page.locator("#sql").inner_text()
    page.get_by_role("link", name="Labels by tool").click()
    page.wait_for_url("**chart=tool&critic=one**")
    page.get_by_label("Critic").select_option("two")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**critic=two**")
    assert "critic = 'two'" in page.locator("#sql").inner_text()
