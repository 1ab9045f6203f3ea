"""What people say of steps is gold the moment they say it, and nothing of it is ever lost."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from srft_assets.critic.gold.labels import read_sets
from srft_assets.errors import UsageError
from srft_assets.home import CHECKOUT, Home
from srft_assets.trajectories.ingest import ingest
from srft_assets.view.index import Index
from srft_assets.view.judge import Queues, Session
from srft_assets.warehouse.partitions import Warehouse
from tests.trajectories.ingest_support import run_of, write_lines
from tests.ui.dev import Project
from tests.view.served import LABELS, PATCH, STEPS, Served, serving
from tests.view.test_access import asked, entered

KEYS = "gumrgumrgx"
AT_PLACE = """n => document.body.dataset.ready
    && document.querySelector('.queue li.now .place').textContent === String(n)"""
DONE = "n => document.getElementById('done').textContent === String(n)"
WORDS = {"g": "good", "u": "unnecessary", "m": "mistake", "r": "recover", "x": None}


def given(home: Home, name: str) -> dict[tuple[str, int, str], str | None]:
    """Task, step and annotator → label of a set."""
    labels = read_sets(home).get(name, [])
    return {(one.trajectory_id[:-13], one.step_index, one.annotator): one.label for one in labels}


def began(page: Any, served: Served, who: str, name: str, **fields: str) -> None:
    """Begin to judge through the form."""
    page.goto(served.at("/judge"))
    page.get_by_label("Your name").fill(who)
    page.get_by_label("Gold set").fill(name)
    for field, value in fields.items():
        box = page.locator(f"[name={field}]")
        box.fill(value) if box.evaluate("one => one.tagName") == "INPUT" else box.select_option(
            value
        )
    page.get_by_role("button", name="Begin").click()
    page.wait_for_url("**who=**")


def waited(page: Any, text: str) -> None:
    page.get_by_role("status").get_by_text(text).wait_for()


def test_ten_steps_are_judged_by_keys_and_stay(page: Any, served: Served, home: Home) -> None:
    began(page, served, "ann", "ten", batch="plain", size="10")
    assert "10 judged" in page.locator(".queue h2").inner_text()
    assert page.locator(".verdict").count() == 0, "blind: nothing of a critic is on the page"
    order = [
        (item.get_attribute("data-run"), int(item.get_attribute("data-step")))
        for item in page.locator(".queue li").all()
    ]
    for place, key in enumerate(KEYS):
        page.wait_for_function(AT_PLACE, arg=place + 1)
        page.keyboard.press(key)
        page.wait_for_function(DONE, arg=place + 1)
    page.reload()
    assert page.locator("#done").inner_text() == "10"
    stored = {(one.trajectory_id, one.step_index): one for one in read_sets(home)["ten"]}
    assert [stored[step].label for step in order] == [WORDS[key] for key in KEYS]
    assert all(one.annotator == "ann" and one.at for one in stored.values())


@pytest.mark.timeout(300)
def test_ten_steps_are_scored_by_srft_apply(page: Any, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    rows = [{**run_of(name, STEPS), "resolved": False, "patch": PATCH} for name in "ab"]
    ingest(home, [write_lines(tmp_path / "plain.jsonl", rows)])
    project = Project(CHECKOUT, home, {})
    project.srft("apply", "step_verdicts/rules")
    with serving(home) as served:
        page.goto(served.link())
        began(page, served, "ann", "ten", size="10")
        for place, key in enumerate(KEYS):
            page.wait_for_function(AT_PLACE, arg=place + 1)
            page.keyboard.press(key)
            page.wait_for_function(DONE, arg=place + 1)
        page.reload()
        assert page.locator("#done").inner_text() == "10"
        shown = page.locator("#scores tr", has_text="rules").inner_text()
    project.srft("apply", "gold_labels", "critic_scores/rules")
    warehouse = Warehouse(home.warehouse)
    gold = warehouse.read("gold_labels").filter(set="ten", annotator="ann")
    assert gold["label"].to_list().count(None) == KEYS.count("x") and gold.height == 10
    said = warehouse.read("step_verdicts/rules", "plain")
    judged = gold.drop_nulls("label").join(said, on=["trajectory_id", "step_index"])
    both = judged.filter((pl.col("label") == "mistake") & (pl.col("label_right") == "mistake"))
    (row,) = (
        warehouse.read("critic_scores/rules")
        .filter(set="ten", question="label", target="mistake")
        .to_dicts()
    )
    assert (row["steps"], row["support"], row["hits"]) == (9, KEYS.count("m"), both.height)
    f1 = "–" if row["f1"] is None else f"{row['f1']:.2f}"
    assert f1 in shown and "of 9" in shown


def test_a_label_is_taken_from_the_critic_commented_and_taken_back(
    page: Any, served: Served, home: Home
) -> None:
    began(page, served, "bob", "back", batch="plain", critic="one", blind="", size="12")
    page.keyboard.press("p")
    at = page.locator("article.here")
    run, step = page.locator(".run").get_attribute("data-run")[:1], at.get_attribute("data-step")
    before = given(home, "back")
    critic = at.locator(".verdict .label").first.inner_text().split()[-1]
    assert critic == LABELS[int(step)]
    page.keyboard.press("c")
    page.keyboard.type("<b>why</b>")
    page.keyboard.press("Enter")
    waited(page, "kept for the label")
    page.keyboard.press(" ")
    page.wait_for_function(DONE, arg=1)
    (label,) = read_sets(home)["back"]
    assert (label.label, label.note, label.annotator) == (critic, "<b>why</b>", "bob")
    page.wait_for_load_state()
    page.keyboard.press("z")
    page.wait_for_function(DONE, arg=0)
    assert given(home, "back") == before == {} and run == "a"


def test_a_button_under_the_cursor_does_what_it_says(page: Any, served: Served, home: Home) -> None:
    began(page, served, "bob", "pressed", batch="plain", critic="one", blind="", size="12")
    page.locator(".choices button.recover").focus()
    page.keyboard.press(" ")
    page.wait_for_function(DONE, arg=1)
    (label,) = read_sets(home)["pressed"]
    assert label.label == "recover", "not what the critic says, as Space does elsewhere"
    fold = page.locator("article.here summary")
    before = fold.evaluate("one => one.parentElement.open")
    fold.focus()
    page.keyboard.press(" ")
    assert fold.evaluate("one => one.parentElement.open") is not before
    assert page.locator("#done").inner_text() == "1"


def test_blind_mode_is_left_and_entered_by_a_key(page: Any, served: Served) -> None:
    began(page, served, "bob", "blind", batch="plain")
    assert "critic" not in page.locator("article.here").inner_text()
    page.keyboard.press("b")
    page.wait_for_url("**blind=&**")
    assert page.locator("article.here .verdict").count() == 2
    page.keyboard.press("b")
    page.wait_for_url("**blind=1**")
    assert page.locator(".verdict").count() == 0


def sent(served: Served, cookie: str, **body: Any) -> tuple[int, dict[str, Any]]:
    """A label, as a page sends it."""
    own = f"http://127.0.0.1:{served.port}"
    text = json.dumps({"set": "many", "who": "ann", "batch": "plain", **body})
    status, _, told = asked(
        served, "/label", "POST", text, cookie=cookie, origin=own, content_type="application/json"
    )
    return status, json.loads(told)


def run_ids(home: Home) -> list[str]:
    return Index(home).runs().filter(batch="plain")["trajectory_id"].to_list()


def test_two_people_at_once_lose_nothing(served: Served, home: Home) -> None:
    cookies = {who: entered(served) for who in ("ann", "bob")}
    steps = [(run, step) for run in run_ids(home) for step in range(STEPS)]
    both_begin = threading.Barrier(2)

    def judge(who: str) -> list[int]:
        both_begin.wait()
        word = {"ann": "good", "bob": "mistake"}[who]
        return [
            sent(served, cookies[who], who=who, at_run=run, at_step=step,
                 now={"label": word, "note": ""}, before=None)[0]
            for run, step in steps
        ]  # fmt: skip

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(judge, ("ann", "bob")))
    assert answers == [[200] * len(steps)] * 2
    assert given(home, "many") == {
        (run[:-13], step, who): label
        for run, step in steps
        for who, label in (("ann", "good"), ("bob", "mistake"))
    }


def test_of_two_windows_of_one_person_the_later_is_told_what_stands_there(
    served: Served, home: Home
) -> None:
    cookie, run = entered(served), run_ids(home)[0]
    step = {"set": "windows", "at_run": run, "at_step": 0}
    good, mistake = ({"label": one, "note": ""} for one in ("good", "mistake"))
    assert sent(served, cookie, **step, now=good, before=None)[0] == 200
    status, told = sent(served, cookie, **step, now=mistake, before=None)
    assert (status, told["now"]) == (409, good)
    assert given(home, "windows") == {("a", 0, "ann"): "good"}
    assert sent(served, cookie, **step, now=mistake, before=good)[0] == 200
    status, told = sent(served, cookie, **step, now=None, before=good)
    assert (status, told["now"]) == (409, mistake)
    assert sent(served, cookie, **step, now=None, before=mistake)[0] == 200
    assert given(home, "windows") == {}
    status, told = sent(served, cookie, **step, now=good, before=mistake)
    assert (status, told["now"]) == (409, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"at_step": 99},
        {"at_step": -1},
        {"at_step": "0"},
        {"at_run": "nobody"},
        {"now": {"label": "wrong"}},
        {"now": {"label": "good", "note": 5}},
        {"now": "good"},
        {"who": ""},
        {"who": "x" * 100},
        {"who": "a\u202eb"},
        {"set": "../x"},
        {"set": "lab"},
    ],
)
def test_what_is_no_label_is_refused_and_nothing_is_kept(
    served: Served, home: Home, wrong: dict[str, Any]
) -> None:
    good = {"label": "good", "note": ""}
    body = {"set": "wrong", "at_run": run_ids(home)[0], "at_step": 0, "now": good, "before": None}
    status, told = sent(served, entered(served), **{**body, **wrong})
    assert status == 400 and "\n" not in told["error"]
    assert given(home, "wrong") == {}


def test_labels_need_the_cookie_and_the_own_origin(served: Served, home: Home) -> None:
    text = json.dumps({"set": "door", "who": "eve", "at_run": run_ids(home)[0], "at_step": 0,
                       "now": {"label": "good", "note": ""}, "before": None})  # fmt: skip
    own = f"http://127.0.0.1:{served.port}"
    json_type = {"content_type": "application/json"}
    assert asked(served, "/label", "POST", text, origin=own, **json_type)[0] == 403
    cookie = entered(served)
    assert asked(served, "/label", "POST", text, cookie=cookie, **json_type)[0] == 403
    evil = {"origin": "http://evil.example", "cookie": cookie}
    assert asked(served, "/label", "POST", text, **evil, **json_type)[0] == 403
    assert given(home, "door") == {}


def test_steps_on_which_critics_differ_come_first(home: Home) -> None:
    queues = Queues(Index(home))
    session = Session(critic="one", other="two", size="18", batch="plain")
    queue = queues.of(session)
    assert [one.step for one in queue if one.differs] == [2, 2, 2]
    assert all(one.differs for one in queue[:3]) and len(queue) == 18
    assert queues.of(session) is queue, "the same while the verdicts are"
    assert queues.of(Session(run=queue[0].run)) == [
        type(queue[0])(queue[0].run, n) for n in range(STEPS)
    ]


@pytest.mark.parametrize("stated", [{"size": "many"}, {"critic": "nobody"}, {"seed": "-1"}])
def test_a_queue_that_cannot_be_drawn_is_told(home: Home, stated: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        Queues(Index(home)).of(Session(**stated))


def test_labels_are_where_imported_ones_are(home: Home, tmp_path: Path, served: Served) -> None:
    from srft_assets.critic.gold.annotations import import_answers

    run = run_ids(home)[0]
    file = tmp_path / "labels.jsonl"
    line = {"trajectory_id": run, "step_index": 1, "label": "recover", "annotator": "ann"}
    file.write_text(json.dumps(line))
    import_answers(file, home, "both", {run: STEPS})
    now = {"label": "good", "note": ""}
    step = {"set": "both", "at_run": run, "at_step": 1}
    assert sent(served, entered(served), **step, now=now, before=None)[0] == 409
    before = {"label": "recover", "note": ""}
    assert sent(served, entered(served), **step, now=now, before=before)[0] == 200
    assert given(home, "both") == {("a", 1, "ann"): "good"}
