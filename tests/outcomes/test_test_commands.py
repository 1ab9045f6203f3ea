"""Which test commands get the recorder, and which tests they are run for."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.outcomes.results import canonical, recorded_command, tally

UNITTESTS = ["test_x (mod.Class)", "test_y (mod.Class.test_y)"]
PYTESTS = ["a.py::test_x[1 2]", "a.py::test_y", "tests/b.py::C::test_z"]


@pytest.mark.parametrize(
    ("command", "tests", "shell"),
    [
        ("python3 -m unittest -v", UNITTESTS, "python3 -s REC unittest -v {unittests}"),
        ("python3.12 -m pytest -rA a.py", PYTESTS, "python3.12 -s REC python-m-pytest -rA {files}"),
        ("pytest -rA 'a b.py' tests", PYTESTS, "python3 -s REC pytest -rA {files}"),
        ("pytest -n 2 tests/ a.py::x", PYTESTS, "python3 -s REC pytest -n 2 {files}"),
        (
            "pytest --ignore tests/a -c b/pytest.ini --deselect a.py::t tests",
            PYTESTS,
            "python3 -s REC pytest --ignore tests/a -c b/pytest.ini --deselect a.py::t {files}",
        ),
        ("python -m unittest tests.test_a", UNITTESTS, "python -s REC unittest tests.test_a"),
        (
            "python -m unittest discover -s tests",
            UNITTESTS,
            "python -s REC unittest discover -s tests",
        ),
        ("A=1 B='x y' pytest", PYTESTS, "env A=1 'B=x y' python3 -s REC pytest {files}"),
    ],
)
def test_known_commands_get_the_recorder_and_the_named_tests(
    command: str, tests: list[str], shell: str
) -> None:
    said = shell.format(unittests="mod.Class.test_x mod.Class.test_y", files="a.py tests/b.py")
    started, arguments = recorded_command(command, ["REC"], tests) or ("", [])
    assert " ".join([started, *arguments]) == said


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
def test_other_commands_are_not_run(command: str) -> None:
    assert recorded_command(command, ["REC"], UNITTESTS) is None


@given(st.lists(st.from_regex(r"-[\w.:=,+-]{1,12}", fullmatch=True), max_size=5))
def test_options_arrive_whole(options: list[str]) -> None:
    made = recorded_command(shlex.join(["pytest", *options]), ["REC", "OUT"], ["a.py::t"])
    assert made == ("python3 -s REC OUT pytest", [*options, "a.py"])


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
