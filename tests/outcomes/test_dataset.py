"""Rows of SWE-bench data sets, in every form they come in."""

import datetime
import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.errors import SrftError
from srft_assets.outcomes.task import TaskInstance, dataset_digest, read_dataset, rows_digest

ROWS: list[dict[str, Any]] = [
    {
        "instance_id": f"demo__demo-{number}",
        "repo": "demo/demo",
        "base_commit": "0" * 40,
        "problem_statement": "It fails.",
        "FAIL_TO_PASS": json.dumps([f"t{number}"]),
        "PASS_TO_PASS": "[]",
        "image": f"demo:{number}",
        "version": None,
    }
    for number in range(4)
]
WANTED = {"demo__demo-1", "demo__demo-3", "demo__absent-1"}


def written(folder: Path, form: str, rows: list[dict[str, Any]] = ROWS) -> Path:
    path = folder / f"rows.{form.partition(' ')[0]}"
    if form == "parquet":
        pl.DataFrame(rows).write_parquet(path)
    elif form == "jsonl":
        path.write_text("\n".join(json.dumps(each) for each in rows) + "\n\n")
    elif form == "json list":
        path.write_text(json.dumps(rows))
    elif form == "json object":
        path.write_text(json.dumps({each["instance_id"]: each for each in rows}))
    else:
        table = pa.Table.from_pylist(rows)
        kind = pa.ipc.new_stream if form == "arrow stream" else pa.ipc.new_file
        with kind(path, table.schema) as sink:
            sink.write_table(table)
    return path


FORMS = ["parquet", "jsonl", "json list", "json object", "arrow stream", "arrow file"]


@pytest.mark.parametrize("form", FORMS)
def test_only_wanted_rows_are_read_and_all_forms_say_the_same(tmp_path: Path, form: str) -> None:
    path = written(tmp_path, form)
    found = read_dataset(str(path), WANTED)
    assert sorted(found) == ["demo__demo-1", "demo__demo-3"]
    assert found["demo__demo-1"].fail_to_pass == ["t1"]
    assert (found["demo__demo-1"].model_extra or {})["image"] == "demo:1"
    (tmp_path / "plain").mkdir()
    plain = written(tmp_path / "plain", "jsonl")
    assert dataset_digest(str(path), WANTED) == dataset_digest(str(plain), WANTED)


def test_real_rows(shared: Path) -> None:
    folder = shared / "tasks" / "swe-bench"
    verified = read_dataset(str(folder / "swe_bench_verified.parquet"), ["django__django-16527"])
    assert verified["django__django-16527"].repo == "django/django"
    assert verified["django__django-16527"].fail_to_pass
    lite = read_dataset(str(folder / "swe_bench_lite_dev.arrow"), ["sqlfluff__sqlfluff-1625"])
    assert lite["sqlfluff__sqlfluff-1625"].patch.startswith("diff --git")


def test_of_a_folder_the_files_of_the_split_are_read(tmp_path: Path) -> None:
    for place in ("default/test/0000.parquet", "default/train/0000.parquet"):
        (tmp_path / place).parent.mkdir(parents=True)
        number = 0 if "test" in place else 1
        pl.DataFrame(ROWS[number : number + 1]).write_parquet(tmp_path / place)
    ids = [each["instance_id"] for each in ROWS]
    assert list(read_dataset(str(tmp_path), ids)) == ["demo__demo-0"]
    assert list(read_dataset(str(tmp_path), ids, "train")) == ["demo__demo-1"]
    with pytest.raises(SrftError, match="no file of split 'dev'"):
        read_dataset(str(tmp_path), ids, "dev")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"FAIL_TO_PASS": 3}, "row 1: FAIL_TO_PASS"),
        ({"FAIL_TO_PASS": "[torn"}, "row 1: "),
        ({"repo": None}, "row 1: repo: Field required"),
        ({"instance_id": None}, "row 1: expected a SWE-bench row with instance_id"),
        ({"instance_id": "demo__demo-0"}, "row 1: a second, different demo__demo-0"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    path = written(tmp_path, "jsonl", [ROWS[0], {**ROWS[1], **change}])
    with pytest.raises(SrftError, match=f"{path}, {reason}"):
        read_dataset(str(path), [each["instance_id"] for each in ROWS])


def test_a_bad_row_that_nobody_wants_does_not_matter(tmp_path: Path) -> None:
    path = written(tmp_path, "jsonl", [ROWS[0], {**ROWS[1], "FAIL_TO_PASS": 3}])
    assert list(read_dataset(str(path), ["demo__demo-0"])) == ["demo__demo-0"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("rows.jsonl", b'{"instance_id": \n', "row 0: not JSON"),
        ("rows.json", b"{", "not JSON"),
        ("rows.json", b"3", "expected a list of rows"),
        ("rows.parquet", b"PAR1 torn", "cannot be read"),
        ("rows.arrow", b"ARROW1 torn", "cannot be read"),
    ],
)
def test_damage_is_told_in_one_line(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SrftError, match=reason) as caught:
        read_dataset(str(tmp_path / name), WANTED)
    assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("source", ["rows.parquet", "./nowhere", "/no/such/place", "one-word"])
def test_a_data_set_that_is_nowhere(source: str) -> None:
    with pytest.raises(SrftError, match=r"no data set .*OWNER/NAME"):
        read_dataset(source, WANTED)


def test_times_of_a_table_are_text(tmp_path: Path) -> None:
    stamp = datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.UTC)
    rows = [{**ROWS[0], "created_at": stamp, "version": "3.1"}]
    pl.DataFrame(rows).write_parquet(tmp_path / "rows.parquet")
    found = read_dataset(str(tmp_path / "rows.parquet"), ["demo__demo-0"])
    assert found["demo__demo-0"].created_at.startswith("2024-05-01T12:00:00")


def test_pictures_beside_a_row_are_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "test.parquet"
    pictures = {"bare": b"\xff\xd8\x00", "listed": [{"bytes": b"\xff", "path": "a.png"}]}
    pl.DataFrame([{**ROWS[0], **pictures}]).write_parquet(path)
    (task,) = read_dataset(str(path), None).values()
    assert len(rows_digest([task])) == 16
    assert json.loads(task.model_dump_json())["listed"] == [{"bytes": "/w==", "path": "a.png"}]


def test_the_digest_follows_the_wanted_rows_alone(tmp_path: Path) -> None:
    path = written(tmp_path, "jsonl")
    before = dataset_digest(str(path), WANTED)
    changed = [ROWS[0], *ROWS[1:3], {**ROWS[3], "image": "demo:other"}]
    written(tmp_path, "jsonl", [{**ROWS[0], "image": "longer than before"}, *ROWS[1:]])
    assert dataset_digest(str(path), WANTED) == before
    written(tmp_path, "jsonl", changed)
    assert dataset_digest(str(path), WANTED) != before


@given(st.permutations(ROWS))
def test_the_order_of_rows_does_not_count(rows: list[dict[str, Any]]) -> None:
    def digest(order: list[dict[str, Any]]) -> str:
        return rows_digest([TaskInstance.model_validate(_plain(each)) for each in order])

    assert digest(rows) == digest(ROWS)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def test_a_folder_whose_name_is_a_pattern_holds_its_own_rows(tmp_path: Path) -> None:
    folder = tmp_path / "tasks [1]"
    folder.mkdir()
    pl.DataFrame(ROWS).write_parquet(folder / "rows.parquet")
    found = read_dataset(str(folder / "rows.parquet"), [ROWS[0]["instance_id"]])
    assert list(found) == [ROWS[0]["instance_id"]]
