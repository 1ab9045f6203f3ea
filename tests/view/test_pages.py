"""The pages in Chromium, by keys and clicks; the runs they show are hostile."""

from typing import Any

from srft_assets.view.index import Index
from tests.view.served import HOSTILE, SCRIPT, STEPS, Served


def here(page: Any) -> str:
    """The step under the cursor."""
    return page.locator("article.step.here").get_attribute("data-step")


def test_runs_are_filtered_and_opened_by_keys(page: Any) -> None:
    rows = page.locator("table.runs tbody tr")
    assert rows.count() == 4
    page.keyboard.press("/")
    page.keyboard.type("a.")
    page.keyboard.press("Enter")
    page.wait_for_url("**search=a.**")
    assert rows.count() == 1
    page.get_by_role("link", name="Clear").click()
    page.locator("select[name=batch]").select_option("plain")
    page.locator("select[name=other]").select_option("two")
    page.get_by_label("differ ≥ %").fill("10")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**disagreement=10**")
    assert rows.count() == 3
    page.locator("body").press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/run/b.**")


def test_a_wrong_condition_is_told_on_the_page(page: Any, served: Served) -> None:
    page.goto(served.at("/?where=nonsense+%3D+1"))
    told = page.get_by_role("alert").inner_text()
    assert "nonsense" in told and "\n" not in told
    assert page.locator("input[name=where]").input_value() == "nonsense = 1"


def test_a_run_is_walked_by_keys(page: Any, served: Served) -> None:
    page.goto(served.at("/?batch=plain"))
    page.locator("table.runs tbody a").nth(1).click()
    page.wait_for_url("**/run/b.**")
    for _ in range(3):
        page.keyboard.press("j")
    assert here(page) == "2" and page.url.endswith("#step-2")
    page.keyboard.press("k")
    assert here(page) == "1"
    page.keyboard.press("d")
    assert here(page) == "2", "the step on which the critics differ"
    page.reload()
    assert here(page) == "2", "the address of a step leads to it"
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.wait_for_url("**/run/c.**")
    page.keyboard.press("p")
    page.wait_for_url("**/run/b.**")
    page.keyboard.press("/")
    page.keyboard.type("for one: <script>")
    page.keyboard.press("Enter")
    assert page.locator("#found").inner_text() == f"in {STEPS} steps"


def test_the_step_under_the_cursor_is_seen_also_on_a_narrow_page(page: Any, served: Served) -> None:
    page.set_viewport_size({"width": 640, "height": 600})
    for path in ("/run/a.", f"/judge?who=zoe&run={Index(served.home).runs()['trajectory_id'][1]}"):
        page.goto(served.at(path))
        for _ in range(STEPS):
            page.keyboard.press("j")
            box = page.locator("article.here").bounding_box()
            assert box is not None and 0 <= box["y"] < 500, (path, here(page))


def test_the_verdicts_of_another_version_are_shown_when_asked_for(
    page: Any, served: Served
) -> None:
    page.goto(served.at("/run/a."))
    third = page.locator("#step-2 .verdicts")
    assert [one.split()[1] for one in third.locator(".label").all_inner_texts()] == [
        "mistake",
        "good",
    ]
    page.get_by_label("two", exact=True).uncheck()
    page.get_by_label("one@v0").check()
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**show=one%40v0**")
    assert [one.split()[1] for one in third.locator(".label").all_inner_texts()] == [
        "mistake",
        "recover",
    ]


def test_hostile_text_is_text(page: Any, served: Served) -> None:
    page.goto(served.at("/?batch=hostile"))
    page.locator("table.runs tbody a").click()
    page.wait_for_url("**/run/hostile.**")
    text = page.locator("main").text_content()
    assert text.count(SCRIPT) >= STEPS
    assert "javascript:window.owned=3" in text and "{{7*7}}" in text
    assert "\\u202e" in text and "␀" in text and "␛]0;owned␇" in text
    assert "\u202e" not in text and "\x1b" not in text
    assert page.locator("main script, main img, main a[href^=javascript]").count() == 0
    assert page.locator("pre .f1", has_text="red").count() >= STEPS
    assert "more characters" in page.locator(f"#step-{STEPS - 1}").text_content()
    finding = page.locator(".finding")
    assert "reads fix" in finding.inner_text() and SCRIPT in finding.inner_text()
    finding.get_by_role("link", name="step 1").click()
    assert here(page) == "1"
    assert len(page.content()) < 2_000_000, "the line of 10 MB is not on the page"
    page.locator("#step-5 summary").click()
    page.locator("#step-5").get_by_role("link", name="The whole text").click()
    page.wait_for_url("**/text/**")
    whole = page.inner_text("body")
    assert len(whole) > 10_000_000 and SCRIPT in whole and "\u202e" not in whole
    assert HOSTILE not in whole, "what hides is made visible"


def test_what_is_not_there_is_a_page_of_one_line(page: Any, served: Served) -> None:
    for path in ("/run/%3Cscript%3E", "/at/99", "/run/a.?show=nobody", "/text/a./9/thought"):
        answer = page.goto(served.at(path))
        assert answer.status == 404
        assert page.locator("main p").first.inner_text()
