"""Macros, quarantine, partitions and the demo's table, on `tests/warehouse/filled_figures.py`."""

import io
from typing import Any

import pytest
from rich.console import Console

from srft_assets.compare.rates import wilson_interval
from srft_assets.home import Home
from srft_assets.warehouse.output import Rows
from srft_assets.warehouse.query import run_query


def rows(home: Home, sql: str) -> list[tuple[Any, ...]]:
    return run_query(home, sql).rows()


def test_a_command_word_is_what_the_step_starts(filled: Home) -> None:
    words = rows(filled, "SELECT DISTINCT command_word FROM steps ORDER BY ALL")
    assert [word for (word,) in words] == [
        *("git", "grep", "ls", "python", "sed", "str_replace", "submit", "view")
    ]


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("cd /testbed && grep -rn foo", "grep"),
        ("cd /a; cd b && make", "make"),
        ("cd /testbed && \\\n  python x.py", "python"),
        ("cd /testbed\npython x.py", "python"),
        ("PYTHONPATH=. FOO='x' python -m pytest", "python"),
        ("# look first\n\nls -la", "ls"),
        ("timeout 60 sudo /usr/bin/env python", "env"),
        ("(cat x | head)", "cat"),
        ("cd 'my dir' && make", "make"),
        ("cd my\\ dir; make", "make"),
        ('FOO=\'a b\' BAR="c \\" d" python x.py', "python"),
        ("OUT=$(ls -l | wc) grep x", "grep"),
        ("PATH=/a:$PATH; make", "make"),
        ("A=1 && make", "make"),
        ("FOO=1", None),
        ("sudo -u bob -E git log", "git"),
        ("timeout -s 9 -k 5 60 pytest", "pytest"),
        ("time -p ls", "ls"),
        ("sudoku --new", "sudoku"),
        ("cat <<'EOF' > x.py\nimport os\nEOF", "cat"),
        ('{"command":"view","path":"/a"}', "view"),
        ('{"path":"/a"}', None),
        ("{not json", None),
        ("", None),
        (None, None),
        ("   ", None),
    ],
)
def test_command_words(filled: Home, command: str | None, word: str | None) -> None:
    found = run_query(filled, "SELECT command_word($command::VARCHAR)", {"command": command})
    assert found.item() == word


@pytest.mark.parametrize(
    ("instance", "repo"),
    [
        ("django__django-11099", "django/django"),
        ("scikit-learn__scikit-learn-10297", "scikit-learn/scikit-learn"),
        ("oauthlib__oauthlib.1fd52536.combine_file__09vlzwgc", "oauthlib/oauthlib"),
        ("lab__words-7-0004", "lab/words"),
        ("unknown", None),
        ("", None),
    ],
)
def test_repositories(filled: Home, instance: str, repo: str | None) -> None:
    assert run_query(filled, "SELECT repo_of($id)", {"id": instance}).item() == repo


@pytest.mark.parametrize("trials", [0, 1, 7, 160])
def test_intervals_are_those_of_the_evaluation(filled: Home, trials: int) -> None:
    for successes in {0, trials // 3, trials}:
        sql = "SELECT wilson_low($k, $n), wilson_high($k, $n)"
        found = run_query(filled, sql, {"k": successes, "n": trials}).row(0)
        assert found == pytest.approx(wilson_interval(successes, trials) or (None, None))


def test_quarantine_keeps_hostile_text_as_it_was(filled: Home) -> None:
    sql = "SELECT asset, partition, source, row, subject, excerpt FROM quarantine"
    assert rows(filled, sql) == [
        ("trajectories", "real", "broken/\x1b[31m.traj.json", 3, "a\0b", '{"x": [bold]')
    ]


def test_partitions_say_what_they_were_made_from(filled: Home) -> None:
    sql = """SELECT asset, partition, inputs ->> 'trajectories/lab', rows, run_id, file
             FROM partitions WHERE asset = 'test_outcomes' AND partition = 'lab'"""
    file = "test_outcomes/lab.parquet"
    assert rows(filled, sql) == [("test_outcomes", "lab", "v1", 1, "run-1", file)]
    path = filled.warehouse / file
    size = rows(filled, f"SELECT bytes FROM partitions WHERE file = '{file}'")
    assert size == [(path.stat().st_size,)]


def test_the_arms_of_the_demo_fit_a_narrow_terminal(filled: Home) -> None:
    """`kept` is of the batch `lab`, which the checkpoints were made from: 4 of 8, not 32 of 48."""
    console = Console(file=io.StringIO(), width=80)
    console.print(Rows(run_query(filled, "demo_scores")))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split() for line in lines] == [
        ["arm", "runs", "kept", "loss", "seeds", "resolved", "rate", "low", "high"],
        ["sft", "1", "1", "1", "2", "3", "of", "7", "0.429", "0", "0.857"],
        ["srft", "1", "0.5", "1", "2", "5", "of", "7", "0.714", "0.2", "1"],
    ]
