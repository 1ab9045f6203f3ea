"""The table of runs: what each filter keeps, in which order, and what is refused."""

import polars as pl
import pytest

from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.view.index import Index
from srft_assets.view.runs import Filters, find_runs, frame_of_labels, neighbour, with_critics
from srft_assets.warehouse.query import run_query


@pytest.fixture(scope="module")
def index(home: Home) -> Index:
    return Index(home)


def ids(index: Index, **stated: str) -> list[str]:
    found = find_runs(index, Filters.of(stated))
    assert found.total == len(found.rows)
    return [row["instance_id"] for row in found.rows]


def test_every_run_stands_in_order_of_batch_and_id(index: Index) -> None:
    assert ids(index) == ["hostile", "a", "b", "c"]
    assert ids(index, sort="trajectory_id", down="1") == ["hostile", "c", "b", "a"]


def test_filters_narrow_and_add_up(index: Index) -> None:
    assert ids(index, batch="plain") == ["a", "b", "c"]
    assert ids(index, batch="plain", search="B.") == ["b"]
    assert ids(index, status="resolved") == []
    assert ids(index, search="ls c", place="commands") == ["c"]
    assert ids(index, search="FOR ONE: <script>", place="reasons", batch="hostile") == ["hostile"]


def test_a_search_in_texts_looks_as_far_as_a_page_needs(index: Index) -> None:
    asked = Filters(search="LS ", place="commands", sort="trajectory_id", down="1")
    page = find_runs(index, asked, 0, 1, count=False)
    assert [row["instance_id"] for row in page.rows] == ["hostile"]
    assert page.total + page.unread >= 4 and page.total >= 2, "one more tells of a next page"
    whole = find_runs(index, asked, 1, 2)
    assert [row["instance_id"] for row in whole.rows] == ["c", "b"]
    assert (whole.total, whole.unread) == (4, 0)
    for text in ("ls (", "l[s]", "\\d", "(?i)ls", "x" * 50_000):
        assert find_runs(index, Filters(search=text, place="commands")).rows == []


def test_a_search_that_stops_early_says_so(index: Index) -> None:
    asked = Filters(search="ls hostile", place="commands", batch="hostile")
    runs = pl.DataFrame({"trajectory_id": ["x", "y"], "batch": ["hostile", "plain"]})
    hits = index.searches.find("commands", "ls", runs, 0, 20)
    assert hits.looked <= 2 and hits.ids == []
    assert find_runs(index, asked).total == 1
    with pytest.raises(SrftError, match="longer than 0 seconds"):
        index.searches.find("commands", "never asked", runs, None, 0)


def test_shares_are_of_the_critics_that_are_named(index: Index) -> None:
    rows = find_runs(index, Filters(critic="one", other="two")).rows
    assert {row["labels"] for row in rows} == {"gumrg-"}
    assert {row["labels_b"] for row in rows} == {"gugrg-"}
    assert {row["mistakes"] for row in rows} == {1 / 6} == {row["disagreement"] for row in rows}
    assert {row["first_mistake"] for row in rows} == {2}
    assert len(ids(index, critic="one", mistakes="16")) == 4
    assert ids(index, critic="one", mistakes="17") == []
    assert ids(index, critic="two", mistakes="1") == []
    assert ids(index, critic="one", other="two", disagreement="17") == []
    assert len(ids(index, critic="one", other="two", disagreement="16")) == 4


def test_an_earlier_version_is_a_judge_of_its_own(index: Index) -> None:
    assert index.judges()[:2] == ["one", "two"]
    assert {*index.judges()[2:]} == {"one@v0", "one@v1", "two@v0", "two@v1"}
    row = find_runs(index, Filters(critic="one@v0", other="one")).rows[0]
    assert (row["labels"], row["labels_b"]) == ("gurrg-", "gumrg-")


def test_labels_are_those_of_the_warehouse(index: Index, home: Home) -> None:
    columns = "trajectory_id, step_index, label"
    stored = run_query(
        home, f"SELECT {columns} FROM step_verdicts WHERE critic = 'one' ORDER BY ALL"
    )
    told = frame_of_labels(index.labels("one")).sort("trajectory_id", "step_index")
    assert told["trajectory_id"].to_list() == stored["trajectory_id"].to_list()
    assert told["step_index"].to_list() == stored["step_index"].to_list()
    letters = {"unlabeled": "-"}
    assert told["letter"].to_list() == [letters.get(one, one[0]) for one in stored["label"]]


def test_a_condition_in_sql_may_read_the_warehouse(index: Index) -> None:
    assert ids(index, where="n_steps = 6 AND instance_id < 'c'") == ["a", "b"]
    asked = "trajectory_id IN (SELECT trajectory_id FROM steps WHERE contains(command, 'ls a'))"
    assert ids(index, where=asked) == ["a"]
    assert ids(index, where="true -- and a comment") == ids(index)


@pytest.mark.parametrize(
    "where",
    [
        "nonsense = 1",
        "1 = ",
        "true); DROP VIEW runs; SELECT (1",
        "(SELECT count(*) FROM read_text('/etc/passwd')) > 0",
        "(SELECT count(*) FROM read_csv('https://example.com/x.csv')) > 0",
        "true) UNION SELECT (COPY runs TO 'x'",
    ],
)
def test_a_condition_that_is_wrong_or_does_more_is_refused_in_one_line(
    index: Index, where: str
) -> None:
    with pytest.raises(SrftError) as told:
        find_runs(index, Filters(where=where))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "stated",
    [{"sort": "x; DROP"}, {"place": "x"}, {"critic": "nobody"}, {"mistakes": "many"}],
)
def test_what_is_not_there_is_named(index: Index, stated: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        find_runs(index, Filters.of(stated))


def test_a_place_of_the_table_is_one_run(index: Index) -> None:
    filters = Filters(batch="plain")
    found = [neighbour(index, filters, at) for at in range(-1, 4)]
    assert [run and run[0] for run in found] == [None, "a", "b", "c", None]


def test_what_an_address_states_comes_back_from_it(index: Index) -> None:
    from urllib.parse import parse_qsl

    filters = with_critics(index, Filters(where="n_steps > 1 & 'ü'", down="1", batch="plain"))
    assert Filters.of(dict(parse_qsl(filters.query()))) == filters


def test_a_partition_that_is_made_anew_is_read_anew(tmp_path) -> None:
    from tests.view.served import filled

    home = filled(Home(tmp_path / "home"))
    index = Index(home)
    before = index.runs()
    assert index.runs() is before and index.labels("one").height == 4
    path = index.warehouse.path("step_verdicts/one", "plain")
    frame, stamp = (
        index.warehouse.read("step_verdicts/one", "plain"),
        index.warehouse.stamp("step_verdicts/one", "plain"),
    )
    index.warehouse.write(
        "step_verdicts/one", "plain", frame.with_columns(label=pl.lit("good")), stamp
    )
    assert set(index.labels("one")["labels"]) == {"gumrg-", "gggggg"}
    asked = Filters(search="for one", place="reasons")
    assert find_runs(index, asked).total == 4
    index.warehouse.write(
        "step_verdicts/one", "plain", frame.with_columns(reason=pl.lit("other")), stamp
    )
    assert find_runs(index, asked).total == 1
    path.unlink()
    assert index.labels("one").height == 1
