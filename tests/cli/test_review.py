"""`srft review`, as a user meets it."""

import csv
from pathlib import Path

import orjson
import pytest
import typer
from typer.testing import CliRunner, Result

from srft_assets.cli.review import register
from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.trajectories.batches import write_batch
from tests.warehouse.filled import BATCHES, fill

STUDY = "human-step-labels"


@pytest.fixture
def home(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    fill(home)
    for batch in BATCHES:
        write_batch(home, batch, "made by hand", {})
    monkeypatch.setenv("SRFT_HOME", str(home.root))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(home.root)
    return home


def review(*words: str) -> Result:
    """`srft review …`; failures come as the exceptions that `srft` tells in one line."""
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    result = CliRunner().invoke(app, ["review", *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def answered(path: Path, label: str = "good") -> None:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row | {"label": label} for row in rows)


def test_out_labelled_and_in_again(home: Home) -> None:
    said = review("export", "--critic", "rules", "--size", "6", "--format", "csv")
    assert "wrote 6 steps of" in said.output
    assert "srft review import review.csv --set NAME --annotator WHO" in said.output
    answered(home.root / "review.csv")
    words = ("import", "review.csv", "--set", "people", "--annotator", "ann")
    assert "set people: 6 labels added, 0 changed, 0 as before, 0 refused" in review(*words).output
    assert "0 labels added, 0 changed, 6 as before" in review(*words).output
    assert "people       6" in review("list").output


def test_a_queue_is_never_written_over_labels(home: Home) -> None:
    review("export", "--size", "2")
    with pytest.raises(UsageError, match=r"review\.jsonl exists, perhaps with labels"):
        review("export", "--size", "3")


def test_the_same_seed_asks_the_same(home: Home) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        review("export", "--size", "4", "--seed", seed, "--out", name)
    one, same, other = ((home.root / name).read_bytes() for name in "abc")
    assert one == same != other


def test_label_studio_gets_a_list_of_tasks(home: Home) -> None:
    review("export", "--size", "2", "--format", "label-studio")
    tasks = orjson.loads((home.root / "review.json").read_bytes())
    assert [set(task) for task in tasks] == [{"data"}] * 2


def test_what_is_refused_is_told_by_row_and_the_rest_goes_in(home: Home) -> None:
    review("export", "--size", "3", "--format", "csv")
    path = home.root / "review.csv"
    answered(path)
    path.write_text(path.read_text() + "\x1b[31mbad,nobody.0,0,,,,,,,,,good,\n")
    said = review("import", "review.csv", "--set", "people", "--annotator", "ann")
    assert "refused review.csv, row 3: no batch holds run nobody.0: ingest it first" in said.output
    assert "3 labels added, 0 changed, 0 as before, 1 refused" in said.output
    assert said.exit_code == 0


def test_a_file_without_one_good_label_fails(home: Home) -> None:
    path = home.root / "f.jsonl"
    path.write_bytes(orjson.dumps({"id": "nobody.0:1", "label": "good"}))
    said = review("import", "f.jsonl", "--set", "people", "--annotator", "ann")
    assert said.exit_code == 1
    assert not (home.gold / "people.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("import", "nothing.csv", "--set", "a"), "no file nothing.csv"),
        (("import", ".", "--set", "a"), "no file"),
        (("import", "x", "--set", "a", "--layout", "llm-agents-study"), "no folder x"),
        (("import", "x", "--set", "../a"), "bad partition name"),
        (("export", "--show-verdict"), "needs --critic"),
        (("export", "--batch", "nope"), "no batch 'nope'"),
        (("export", "--critic", "nope"), "no steps judged by critic nope"),
    ],
)
def test_wrong_calls_are_told(home: Home, words: tuple[str, ...], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        review(*words)


def test_no_sets_yet(home: Home) -> None:
    assert "no gold sets yet" in review("list").output


def test_the_study_becomes_runs_that_can_be_ingested(home: Home, shared: Path) -> None:
    said = review("runs", str(shared / STUDY), "--out", "runs.jsonl")
    assert "wrote 40 runs to runs.jsonl" in said.output
    assert len((home.root / "runs.jsonl").read_bytes().splitlines()) == 40
