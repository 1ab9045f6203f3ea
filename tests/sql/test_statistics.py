"""Statistics of the four runs of `tests/warehouse/filled_figures.py`, counted by hand."""

import io
from typing import Any

import pytest
from rich.console import Console

from srft_assets.compare.rates import wilson_interval
from srft_assets.home import Home
from srft_assets.warehouse.output import as_table
from srft_assets.warehouse.query import run_query


def rows(home: Home, sql: str) -> list[tuple[Any, ...]]:
    return run_query(home, sql).rows()


def test_label_shares(filled: Home) -> None:
    assert rows(filled, "SELECT label, steps, share FROM label_shares WHERE critic = 'rules'") == [
        ("good", 6, 0.5),
        ("mistake", 4, pytest.approx(4 / 12)),
        ("recover", 1, pytest.approx(1 / 12)),
        ("unnecessary", 1, pytest.approx(1 / 12)),
    ]


@pytest.mark.parametrize("by", ["outcome", "position", "tool", "command"])
def test_shares_add_up_to_one_in_every_group(filled: Home, by: str) -> None:
    key = {"outcome": "status", "position": "decile", "command": "command_word"}.get(by, by)
    sql = f"SELECT critic, {key}, sum(share) FROM label_shares_by_{by} GROUP BY ALL"
    assert all(total == pytest.approx(1) for *_, total in rows(filled, sql))
    assert rows(filled, f"SELECT sum(steps)::INT FROM label_shares_by_{by}") == [(24,)]


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


def test_first_mistakes(filled: Home) -> None:
    sql = "SELECT instance_id, first_mistake, position FROM first_mistakes WHERE critic = 'rules'"
    assert rows(filled, f"{sql} ORDER BY instance_id") == [
        ("django__django-1", None, None),
        ("django__django-2", 1, 0.2),
        ("lab__words-7-0004", 1, 0.5),
        ("sympy__sympy-3", None, None),
    ]


def test_recovery_after_mistakes(filled: Home) -> None:
    sql = "SELECT within_steps, mistakes, recovered FROM mistake_recovery WHERE critic = 'rules'"
    assert rows(filled, sql)[:2] == [(1, 4, 1), (2, 4, 1)]


def test_agreement_of_critics(filled: Home) -> None:
    """9 of 12 agree; by chance (6·4 + 4·6 + 1·1 + 1·1) / 144 would."""
    (found,) = rows(filled, "SELECT steps, agreed, by_chance, kappa FROM critic_agreement")
    chance = 50 / 144
    assert found == (12, 9, pytest.approx(chance), pytest.approx((0.75 - chance) / (1 - chance)))


def test_tokens_kept(filled: Home) -> None:
    sql = "SELECT arm, trained, masked, context, kept_share FROM tokens_kept"
    assert rows(filled, sql) == [
        ("sft", 48, 0, 40, 1.0),
        ("srft", 32, 16, 40, pytest.approx(2 / 3)),
    ]
    sql = "SELECT label, steps, trained_tokens FROM tokens_kept_by_label WHERE arm = 'srft'"
    assert ("mistake", 4, 0) in rows(filled, sql)
    figures = "runs, trained, masked, context, kept_share"
    whole = rows(filled, f"SELECT arm, {figures} FROM tokens_kept")
    parts = rows(filled, f"SELECT arm, {figures} FROM tokens_kept_by_batch")
    for arm, *total, share in whole:
        found = [part[1:] for part in parts if part[0] == arm]
        assert [sum(column) for column in list(zip(*found, strict=True))[:-1]] == total
        assert min(part[-1] for part in found) <= share <= max(part[-1] for part in found)


def test_the_grader_s_failure_is_not_the_model_s(filled: Home) -> None:
    sql = "SELECT runs, graded_runs, resolved_runs, rate, infra_errors FROM outcomes_by_repo"
    assert rows(filled, f"{sql} WHERE repo = 'sympy/sympy'") == [(1, 0, 0, None, 1)]


def test_scores_of_arms(filled: Home) -> None:
    sql = "SELECT arm, seeds, attempts, scored, resolved_attempts, infra_errors FROM arm_scores"
    assert rows(filled, sql) == [("sft", 2, 8, 7, 3, 1), ("srft", 2, 8, 7, 5, 1)]
    sql = "SELECT pairs, resolved_by_both, only_a, only_b, resolved_by_neither FROM arm_pairs"
    assert rows(filled, sql) == [(6, 3, 0, 2, 1)]


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
    console.print(as_table(run_query(filled, "demo_scores")))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split() for line in lines] == [
        ["arm", "runs", "kept", "loss", "seeds", "resolved", "rate", "low", "high"],
        ["sft", "4", "1", "1", "2", "3", "of", "7", "0.429", "0.158", "0.75"],
        ["srft", "4", "0.5", "1", "2", "5", "of", "7", "0.714", "0.359", "0.918"],
    ]
