"""Which test commands get the recorder, and how printed results are read where none can."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.outcomes.results import canonical, parse_printed, recorded_command, tally


@pytest.mark.parametrize(
    ("command", "shell"),
    [
        ("python3 -m unittest -v", "python3 REC OUT unittest -v"),
        ("python -m unittest tests.test_a", "python REC OUT unittest tests.test_a"),
        ("python3.12 -m pytest -rA a.py", "python3.12 REC OUT python-m-pytest -rA a.py"),
        ("pytest -rA 'a b.py'", "python3 REC OUT pytest -rA 'a b.py'"),
        ("A=1 B='x y' pytest", "env A=1 'B=x y' python3 REC OUT pytest"),
    ],
)
def test_known_commands_get_the_recorder(command: str, shell: str) -> None:
    made = recorded_command(command, "REC", "OUT")
    assert made.recorded and made.shell == shell


@pytest.mark.parametrize(
    "command",
    [
        "cd a && pytest",
        "pytest | tail",
        "pytest $X",
        "pytest *.py",
        "make test",
        "python check.py",
        "tox -e py",
        "./tests/runtests.py",
        "python -m unittest 'open",
        "",
    ],
)
def test_other_commands_are_left_alone(command: str) -> None:
    made = recorded_command(command, "REC", "OUT")
    assert not made.recorded and made.shell == command


@given(st.lists(st.from_regex(r"[\w./:=,+-]{1,12}", fullmatch=True), max_size=5))
def test_arguments_arrive_whole(arguments: list[str]) -> None:
    made = recorded_command(shlex.join(["python", "-m", "unittest", *arguments]), "REC", "OUT")
    assert shlex.split(made.shell) == ["python", "REC", "OUT", "unittest", *arguments]


@pytest.mark.parametrize(
    ("test", "name"),
    [
        ("test_x (mod.Class)", "mod.Class.test_x"),
        ("test_x (pkg.mod.Class.test_x)", "pkg.mod.Class.test_x"),
        ("mod.Class.test_x", "mod.Class.test_x"),
        ("tests/a.py::test_x[a (b)]", "tests/a.py::test_x[a (b)]"),
    ],
)
def test_ids_have_one_form(test: str, name: str) -> None:
    assert canonical(test) == name


UNITTEST = """\
test_a (mod.Case.test_a) ... ok
test_b (mod.Case.test_b)
What b does. ... FAIL
test_c (mod.Case) ... skipped 'no'
test_d (mod.Case) ... expected failure
ERROR: test_e (mod.Case)
"""
PYTEST = """\
PASSED fake.py::test_printed_by_the_code_under_test
=========================== short test summary info ============================
PASSED a.py::test_x[1 - 2]
FAILED a.py::test_y[b c] - assert 1 == 2
ERROR a.py::test_z - boom
XFAIL a.py::test_w - known
SKIPPED [1] a.py:3: no
"""


def test_printed_results_are_read() -> None:
    assert dict(parse_printed(UNITTEST)) == {
        "mod.Case.test_a": "passed",
        "mod.Case.test_b": "failed",
        "mod.Case.test_c": "skipped",
        "mod.Case.test_d": "xfailed",
    }
    found = dict(parse_printed(PYTEST))
    assert found["a.py::test_x[1 - 2]"] == "passed"
    assert (found["a.py::test_y[b c]"], found["a.py::test_z"]) == ("failed", "failed")
    assert found["a.py::test_w"] == "xfailed"
    assert "fake.py::test_printed_by_the_code_under_test" not in found


def test_a_test_passes_where_every_word_of_it_is_a_pass() -> None:
    said = [("a.A.t", "passed"), ("b.B.t", "passed"), ("b.B.t", "error"), ("c.C.t", "skipped")]
    counted = tally(["t (a.A)", "t (b.B)", "c.C.t", "d.D.t"], said)
    assert (counted.passed, counted.total, counted.missing[0]) == (1, 4, "t (b.B)")


RESULTS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["passed", "failed"])))


@given(RESULTS, st.lists(st.sampled_from("abcd"), unique=True))
def test_more_failures_never_help(results: list[tuple[str, str]], wanted: list[str]) -> None:
    before = tally(wanted, results)
    for name in wanted:
        assert tally(wanted, [*results, (name, "failed")]).passed <= before.passed


@given(st.text(max_size=300))
def test_any_output_can_be_read(output: str) -> None:
    found = [*parse_printed(f"{output}\n{PYTEST}")]
    assert ("a.py::test_w", "xfailed") in found
    for test, outcome in found:
        assert test and outcome in ("passed", "failed", "skipped", "xfailed")
