"""Labels that come back from annotation tools, and what is refused of them."""

from contextlib import suppress
from itertools import count
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srft_assets.critic.gold.annotations import import_answers
from srft_assets.critic.gold.labels import GoldLabel, read_sets
from srft_assets.critic.gold.queue import QueueFormat, write_queue
from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.warehouse.partitions import Warehouse
from tests.critic.gold_support import queue
from tests.warehouse.filled_figures import BATCHES, COMMANDS, ONE

STEPS = {run: len(commands) for run, commands in COMMANDS.items()}


SETS = count()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """One platform for all examples, which put their labels into sets of their own."""
    return Home(tmp_path_factory.mktemp("kept"))


def labels_in(folder: Path) -> list[GoldLabel]:
    """What the set `s` of the platform in a folder holds."""
    return read_sets(Home(folder / "home")).get("s", [])


GIVEN = st.sampled_from(["good", "unnecessary", "mistake", "recover", None])


HOSTILE = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)


@pytest.fixture(scope="module")
def rows(warehouse: Warehouse) -> list[dict]:
    return queue(warehouse, list(BATCHES), size=99)


@pytest.mark.parametrize("how", ["jsonl", "csv"])
@settings(max_examples=30)
@given(data=st.data())
def test_labels_come_back_exactly(
    rows: list[dict],
    kept: Home,
    how: QueueFormat,
    data: st.DataObject,
) -> None:
    answers = data.draw(st.lists(GIVEN, min_size=len(rows), max_size=len(rows)))
    notes = data.draw(st.lists(HOSTILE, min_size=len(rows), max_size=len(rows)))
    done, name = kept.root / f"queue.{how}", f"s{next(SETS)}"
    labelled = [
        row | {"label": answer, "note": note}
        for row, answer, note in zip(rows, answers, notes, strict=True)
    ]
    done.write_bytes(write_queue(labelled, how))
    merged = import_answers(done, kept, name, STEPS, "ann")
    expected = {
        (row["trajectory_id"], row["step_index"]): (row["label"], row["note"])
        for row in labelled
        if row["label"]
    }
    found = read_sets(kept).get(name, [])
    assert merged.refused == ()
    assert {(o.trajectory_id, o.step_index): (o.label, o.note) for o in found} == expected


def test_label_studio_is_given_tasks_and_its_export_is_read(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    rows = queue(warehouse, ["real"], size=3)
    tasks = orjson.loads(write_queue(rows, "label-studio"))
    assert [list(task) for task in tasks] == [["data"]] * 3
    assert "label" not in tasks[0]["data"]

    def result(name: str, kind: str, value: dict) -> dict:
        return {"from_name": name, "to_name": "action", "type": kind, "value": value}

    chosen = result("label", "choices", {"choices": ["Mistake"]})
    noted = result("note", "textarea", {"text": ["wrong file", "see issue"]})
    tasks[0] |= {"id": 1, "annotations": [{"completed_by": 7, "result": [chosen, noted]}]}
    tasks[1] |= {
        "id": 2,
        "annotations": [
            {"completed_by": {"email": "b@x"}, "was_cancelled": True, "result": []},
            {"completed_by": 7, "result": [result("label", "choices", {"choices": ["good"]})]},
        ],
    }
    tasks[2] |= {"id": 3, "annotations": []}
    done = tmp_path / "export.json"
    done.write_bytes(orjson.dumps(tasks))
    merged = import_answers(done, Home(tmp_path / "home"), "s", STEPS)
    assert (merged.added, merged.refused) == (3, ())
    found = [(o.step_index, o.annotator, o.label, o.note) for o in labels_in(tmp_path)]
    first, second = (row["step_index"] for row in rows[:2])
    assert found == [
        (first, "7", "mistake", "wrong file\nsee issue"),
        (second, "7", "good", ""),
        (second, "b@x", None, ""),
    ]


def test_an_export_of_argilla_is_read(tmp_path: Path) -> None:
    responses = {
        "label": [{"value": "recover", "user_id": "u1"}, {"value": "good", "user_id": "u2"}],
        "note": [{"value": "took it back", "user_id": "u1"}],
    }
    record = {"id": f"{ONE}:2", "fields": {"action": "…"}, "metadata": {}, "responses": responses}
    done = tmp_path / "records.json"
    done.write_bytes(orjson.dumps([record, {**record, "id": f"{ONE}:3", "responses": {}}]))
    merged = import_answers(done, Home(tmp_path / "home"), "s", STEPS)
    assert (merged.added, merged.refused) == (2, ())
    found = [(o.step_index, o.annotator, o.label, o.note) for o in labels_in(tmp_path)]
    assert found == [(2, "u1", "recover", "took it back"), (2, "u2", "good", "")]


def test_who_labelled_must_be_known(tmp_path: Path) -> None:
    done = tmp_path / "done.jsonl"
    where = (Home(tmp_path / "home"), "s", STEPS)
    row = {"trajectory_id": ONE, "step_index": 0, "label": "good"}
    done.write_bytes(orjson.dumps(row))
    with pytest.raises(UsageError, match="give --annotator"):
        import_answers(done, *where)
    many = [row | {"annotator": name} for name in ("ann", "bob")]
    done.write_bytes(b"\n".join(orjson.dumps(one) for one in many))
    with pytest.raises(UsageError, match="leave out --annotator"):
        import_answers(done, *where, "carol")
    assert import_answers(done, *where).added == 2


def test_bad_answers_are_refused_by_row(tmp_path: Path) -> None:
    done = tmp_path / "done.csv"
    rows = [
        ("good", ONE, "0"),
        ("fine", ONE, "1"),
        ("good", ONE, "77"),
        ("good", "nobody.000", "0"),
        ("good", ONE, "one"),
        ("", ONE, "2"),
        ("SKIP ", ONE, "3"),
    ]
    frame = pl.DataFrame(rows, schema=["label", "trajectory_id", "step_index"], orient="row")
    frame.write_csv(done)
    merged = import_answers(done, Home(tmp_path / "home"), "s", STEPS, "ann")
    assert [one.row for one in merged.refused] == [1, 2, 3, 4]
    assert all(one.source == "done.csv" for one in merged.refused)
    found = [(o.step_index, o.label) for o in labels_in(tmp_path)]
    assert found == [(0, "good"), (3, None)]


NAMES = "result from_name value choices text label note user_id completed_by id email"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["label", "note", "good"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=4)
    ),
    max_leaves=12,
)


RECORDS = st.one_of(
    JSON,
    st.fixed_dictionaries({"data": st.just({"id": "r:0"}), "annotations": st.lists(JSON)}),
    st.fixed_dictionaries(
        {
            "fields": JSON,
            "id": JSON,
            "responses": st.dictionaries(st.sampled_from(["label", "note"]), JSON),
        }
    ),
    st.fixed_dictionaries(
        {"trajectory_id": JSON, "step_index": JSON, "label": JSON, "note": JSON, "annotator": JSON}
    ),
)


@given(st.lists(RECORDS, max_size=3))
def test_whatever_is_handed_back_is_read_or_refused(kept: Home, records: list[object]) -> None:
    done = kept.root / "any.json"
    done.write_bytes(orjson.dumps(records))
    with suppress(UsageError):
        assert import_answers(done, kept, "any", STEPS, "ann").added == 0


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"id,verdict\n1,good\n", "no column 'label'"),
        ("a.csv", b"label\n\xff\xfe\n", "not a CSV file"),
        ("a.json", b"[{torn", "not JSON"),
    ],
)
def test_a_file_that_is_no_table_is_told(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=told):
        import_answers(tmp_path / name, Home(tmp_path / "home"), "s", STEPS, "ann")
