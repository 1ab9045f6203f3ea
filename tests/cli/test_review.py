"""`srft review`, as a user meets it."""

import csv
from pathlib import Path

import orjson
import pytest

from srft_assets.critic.gold.labels import GoldLabel, merge_labels, read_sets
from srft_assets.home import Home
from srft_assets.trajectories.batches import write_batch
from tests.cli.conftest import Srft
from tests.trajectories.ingest_support import run_of, write_lines
from tests.warehouse.filled import fill
from tests.warehouse.filled_figures import BATCHES


@pytest.fixture
def review(home: Home, srft: Srft, monkeypatch: pytest.MonkeyPatch) -> Srft:
    """`srft review …` in the folder of a platform with four runs."""
    fill(home)
    for batch in BATCHES:
        write_batch(home, batch, "made by hand", {})
    monkeypatch.chdir(home.root)
    return lambda *words: srft("review", *words)


def answered(path: Path, label: str = "good") -> None:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row | {"label": label} for row in rows)


def test_out_labelled_and_in_again(home: Home, review: Srft) -> None:
    said = review("export", "--critic", "rules", "--size", "6", "--format", "csv")
    assert "wrote 6 steps of" in said.out
    assert "srft review import review.csv --set NAME --annotator WHO" in said.out
    answered(home.root / "review.csv")
    words = ("import", "review.csv", "--set", "people", "--annotator", "ann")
    assert "set people: 6 labels added, 0 changed, 0 as before, 0 refused" in review(*words).out
    assert "0 labels added, 0 changed, 6 as before" in review(*words).out
    assert review("list").out.splitlines()[1].split()[:2] == ["people", "6"]


def test_labels_of_runs_that_are_gone_are_told(home: Home, srft: Srft, tmp_path: Path) -> None:
    runs = write_lines(tmp_path / "mine.jsonl", [run_of("a")])
    assert srft("ingest", str(runs)).code == 0
    labels = [
        GoldLabel(trajectory_id="gone", step_index=step, label="good", annotator="ann")
        for step in range(3)
    ]
    merge_labels(home, "people", enumerate(labels), "hand")
    assert (
        "made gold_labels: all; 3 refused: srft sql quarantine" in srft("apply", "gold_labels").out
    )


def test_a_queue_is_never_written_over_labels(home: Home, review: Srft) -> None:
    review("export", "--size", "2")
    said = review("export", "--size", "3")
    assert said.code == 2
    assert "review.jsonl exists, perhaps with labels" in said.err


def test_the_same_seed_asks_the_same(home: Home, review: Srft) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        review("export", "--size", "4", "--seed", seed, "--out", name)
    one, same, other = ((home.root / name).read_bytes() for name in "abc")
    assert one == same != other


def test_label_studio_gets_a_list_of_tasks(home: Home, review: Srft) -> None:
    review("export", "--size", "2", "--format", "label-studio")
    tasks = orjson.loads((home.root / "review.json").read_bytes())
    assert [set(task) for task in tasks] == [{"data"}] * 2


def test_what_is_refused_is_told_by_row_and_the_rest_goes_in(home: Home, review: Srft) -> None:
    review("export", "--size", "3", "--format", "csv")
    path = home.root / "review.csv"
    answered(path)
    path.write_text(path.read_text() + "\x1b[31mbad,nobody.0,0,,,,,,,,,good,\n")
    said = review("import", "review.csv", "--set", "people", "--annotator", "ann")
    assert "refused review.csv, row 3: no batch holds run nobody.0: ingest it first" in said.out
    assert "3 labels added, 0 changed, 0 as before, 1 refused" in said.out
    assert said.code == 0


def test_a_file_without_one_good_label_fails(home: Home, review: Srft) -> None:
    path = home.root / "f.jsonl"
    path.write_bytes(orjson.dumps({"id": "nobody.0:1", "label": "good"}))
    said = review("import", "f.jsonl", "--set", "people", "--annotator", "ann")
    assert said.code == 1
    assert read_sets(home) == {}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("import", "nothing.csv", "--set", "a"), "no file nothing.csv"),
        (("import", ".", "--set", "a"), "no file"),
        (("import", "x", "--set", "../a"), "bad partition name"),
        (("export", "--show-verdict"), "needs --critic"),
        (("export", "--batch", "nope"), "no batch 'nope'"),
        (("export", "--critic", "nope"), "no steps judged by critic nope"),
    ],
)
def test_wrong_calls_are_told(review: Srft, words: tuple[str, ...], told: str) -> None:
    said = review(*words)
    assert said.code == 2
    assert told in said.err


def test_no_sets_yet(home: Home, review: Srft) -> None:
    assert "no gold sets yet" in review("list").out
