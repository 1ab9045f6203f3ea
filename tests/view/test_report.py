"""The report is one file that loads nothing, runs nothing, and says what the platform says."""

import re
from pathlib import Path
from typing import Any

import pytest

from srft_assets.compare.stage import verdict_of
from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.view.app import templates
from srft_assets.view.report import report
from srft_assets.warehouse.query import run_query
from tests.chromium import opened_page
from tests.view.served import IMAGE, SCRIPT
from tests.view.test_markup import Read


def made(home: Home, *batches: str, arms: tuple[str, ...] = ()) -> str:
    return report(home, templates(), batches, arms, "srft report")


def test_it_loads_nothing(full: Home) -> None:
    text = made(full, "real", "lab")
    read = Read(text)
    assert not {one for one in read.elements if re.match(r"(script|img|link|iframe|object)\b", one)}
    assert not {one for one in read.elements if re.search(r" (src|href|style|on\w+)$", one)}
    assert not re.search(r"url\(|@import", text)
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text


def test_its_figures_are_those_of_the_warehouse(full: Home) -> None:
    from srft_assets.cli.compare import compared

    html = made(full, "real", "lab")
    text = " ".join(Read(html).text.split())
    outcomes = run_query(full, "SELECT status, count(*) FROM runs GROUP BY status").rows()
    assert outcomes
    for status, runs in outcomes:
        assert f"<td>{status or 'unknown'}</td><td>{runs}</td>" in html
    for row in run_query(full, "FROM critic_scores WHERE target = 'mistake'").to_dicts():
        assert row["gold_set"] in text
    found = compared(full, [], None, [])
    assert " ".join(verdict_of(found.pairs).split()) in text
    paid = "SELECT critic, model, sum(prompt_tokens) AS paid FROM critic_costs GROUP BY ALL"
    rows = run_query(full, paid).to_dicts()
    assert rows
    for row in rows:
        assert row["critic"] in text and f"{int(row['paid']):,}" in text


def test_a_batch_alone_is_counted_alone(full: Home) -> None:
    (count,) = run_query(full, "SELECT count(*) FROM runs WHERE batch = 'lab'").row(0)
    lab = made(full, "lab")
    assert f"<td>empty_patch</td><td>{count}</td>" in lab
    assert "<td>infra_error</td>" not in lab and "<td>infra_error</td>" in made(full, "real")


def test_without_runs_or_scores_it_says_so(full: Home, home: Home) -> None:
    with pytest.raises(UsageError, match="no batch"):
        made(full)
    with pytest.raises(UsageError, match="no arm has scores"):
        made(home, "plain", arms=("srft",))
    assert "No arm has been evaluated" in made(home, "plain")


def test_hostile_reasons_and_commands_are_text(home: Home, tmp_path: Path) -> None:
    text = made(home, "hostile")
    assert SCRIPT not in text and IMAGE not in text and "&lt;script&gt;" in text
    file = tmp_path / "report.html"
    file.write_text(text)
    refused: list[Any] = []
    with opened_page() as page:
        page.on("console", lambda message: refused.append(message.text))
        page.goto(file.as_uri())
        assert SCRIPT in page.inner_text("body")
        assert page.evaluate("window.owned") is None
        rounded = "getComputedStyle(document.querySelector('.label')).borderRadius"
        assert page.evaluate(rounded) != "0px"
    assert not refused, "the style that the policy names is the one that stands there"
