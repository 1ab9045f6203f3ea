"""`srft compare`: tables for people, rows for programs, errors in one line."""

import csv
import io
import json

import pytest

from srft_assets.home import Home
from tests.warehouse.filled import fill


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("scored") / "home")
    fill(home)
    return home


def test_two_tables_and_what_they_say(speaking, scored):
    said = speaking(scored)("compare")
    assert said.code == 0
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["arm", "srft", "sft"]
    assert lines[1].split()[1:5] == ["2", "5", "of", "7"]
    assert lines[4].split()[0] == "difference"
    assert lines[5].startswith("srft − sft")
    assert "Whether srft and sft differ stays open" in said.out


def test_a_narrow_terminal_gets_whole_rows(speaking, scored, monkeypatch):
    run = speaking(scored)
    monkeypatch.setattr("rich.console.Console.width", 80)
    said = run("compare", "--against", "sft")
    assert max(map(len, said.out.splitlines())) <= 80
    assert "srft − sft" in said.out


def test_json_has_both_tables(speaking, scored):
    told = json.loads(speaking(scored)("compare", "sft", "srft", "--format", "json").out)
    assert [row["arm"] for row in told["arms"]] == ["sft", "srft"]
    assert [(row["arm"], row["against"]) for row in told["pairs"]] == [("sft", "srft")]
    assert told["verdict"]


def test_csv_has_both_tables_with_an_empty_line_between(speaking, scored):
    said = speaking(scored)("compare", "--seeds", "0", "--format", "csv")
    arms, pairs = said.out.split("\n\n")
    assert [row["seeds"] for row in csv.DictReader(io.StringIO(arms))] == ["1", "1"]
    assert [row["test"] for row in csv.DictReader(io.StringIO(pairs))] == ["mcnemar"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nope"], "no scores of an arm 'nope'; there are: sft, srft"),
        (["--against", "nope"], "no scores of an arm 'nope'"),
        (["sft", "--seeds", "0,7"], "arm sft has no scores with seed 7; it has seed 0, 1"),
        (["--seeds", "x"], "no seed 'x'"),
    ],
)
def test_what_is_not_there_is_a_wrong_call(speaking, scored, words, told):
    said = speaking(scored)("compare", *words)
    assert said.code == 2
    assert told in said.err
    assert said.out == ""


def test_before_any_evaluation_there_is_nothing_to_compare(srft):
    said = srft("compare")
    assert said.code == 2
    assert "no arm has scores yet" in said.err
