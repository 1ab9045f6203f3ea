"""What the rules critic reads of a command: programs, edits, test runs."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.critic.rules.commands import Program, programs_of
from srft_assets.critic.rules.edits import Edit, Files, edits_of, rewrites, same_file, texts_of
from srft_assets.critic.rules.facts import facts_of
from srft_assets.trajectories.model import Action, Step, Trajectory

PYTHON_EDIT = """python - <<'PY'
from pathlib import Path
p = Path('pkg/a.py')
p.write_text(p.read_text().replace('1', '2'))
PY"""


def names(command: str) -> list[str]:
    return [program.name for program in programs_of(command)]


def edits(command: str) -> list[Edit]:
    return edits_of(Action("bash", command), programs_of(command), Files())


def runs_tests(command: str) -> bool:
    step = Step(0, 0, "", [Action("bash", command)], [""], [0])
    run = Trajectory("t", "i", "mini-swe-agent", "test", messages=[], steps=[step])
    return facts_of(run)[0].tests


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("cd /x && \\\npython a.py", ["cd", "python"]),
        ("cd /x\npython a.py", ["cd", "python"]),
        ("FOO=1 timeout -k 5 30 sudo -u me /usr/bin/grep x", ["grep"]),
        ("bash -c 'cd x && make test' | tail -3", ["cd", "make", "tail"]),
        ("conda run -n testbed pytest -q", ["pytest"]),
        ("cat <<'EOF' > a.py && python a.py\npytest\nEOF", ["cat", "python"]),
        ("for f in *.py; do sed -i s/a/b/ $f; done", ["sed"]),
        ("# only a remark", []),
        ("", []),
    ],
)
def test_the_programs_of_a_command(command: str, found: list[str]):
    assert names(command) == found


def test_a_here_document_is_the_text_of_its_program():
    program = Program("python", ("-u",), stdin="import a\n", writes=("out.txt",))
    assert programs_of("python -u <<'PY' > out.txt 2>&1\nimport a\nPY") == (program,)
    assert programs_of("cat <<'E' | python3\nimport a\nE")[1].code == "import a\n"
    assert programs_of("python -c \"print('x')\"")[0].code == "print('x')"


def test_a_condition_and_what_stands_before_or_ask():
    assert [
        one.asks for one in programs_of("grep -q a b || make; ! ls c; if cat d; then ls; fi")
    ] == [
        True,
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("command", "edit"),
    [
        ("sed -i 's/a - b/a + b/g' a.py", Edit("a.py", "a - b", "a + b")),
        ("sed -i.bak '12s|x\\[0\\]|y|' a.py", Edit("a.py", "x[0]", "y")),
        ("sed -i '/^x/a y = 3' a.py", Edit("a.py", new="/^x/a y = 3")),
        ("sed -i -e '5d' a.py", Edit("a.py", new="5d")),
        ("cat <<'EOF' >> a.py\nx = 1\nEOF", Edit("a.py", new="x = 1\n")),
        ("tee a.py <<'EOF'\nx = 1\nEOF", Edit("a.py", new="x = 1\n")),
        ("git apply <<'EOF'\n--- a/a.py\n+++ b/a.py\nEOF", Edit("a.py")),
        ("patch -p1 <<'EOF'\n--- a/a.py\n+++ b/a.py\nEOF", Edit("a.py")),
        ("patch a.py fix.patch", Edit("a.py")),
        ("ed -s a.py <<'EOF'\nw\nEOF", Edit("a.py")),
        ("perl -pi -e 's/a/b/' a.py", Edit("a.py", "a", "b")),
        (PYTHON_EDIT, Edit("pkg/a.py")),
        ("git checkout HEAD -- a.py", Edit("a.py", restores=True)),
        ("git checkout a.py", Edit("a.py", restores=True)),
        ("git restore .", Edit("*", restores=True)),
        ("git stash", Edit("*")),
    ],
)
def test_edits_of_the_shell(command: str, edit: Edit):
    assert edit in edits(command)


@pytest.mark.parametrize(
    "command",
    ["sed -n '1,5p' a.py", "git stash list", "git checkout -b fix", "python a.py > /dev/null 2>&1"],
)
def test_no_edits(command: str):
    assert edits(command) == []


def test_a_script_that_rewrites_code_edits_and_one_that_writes_a_table_tries():
    assert rewrites(programs_of(PYTHON_EDIT)[0], Files())
    trial = "python -c \"open('t.dat', 'w').write('1'); Table.read('t.dat')\""
    assert not rewrites(programs_of(trial)[0], Files())
    script = Files()
    script.add({"fix.py": "s = open('a.py').read()\nopen('a.py', 'w').write(s)"})
    assert rewrites(programs_of("python3 ./fix.py")[0], script)


@pytest.mark.parametrize(
    ("path", "of_source"),
    [
        ("pkg/a.py", True),
        ("tests/test_a.py", False),
        ("reproduce.py", False),
        ("/tmp/a.py", False),
        ("README.md", False),
        ("*", False),
    ],
)
def test_what_looks_like_source(path: str, of_source: bool):
    assert Edit(path).of_source is of_source


def test_paths_of_one_file():
    assert same_file("/testbed/pkg/a.py", "./pkg/a.py")
    assert not same_file("pkg/aa.py", "a.py")
    assert not same_file("", "a.py")


@pytest.mark.parametrize(
    ("command", "tests"),
    [
        ("cd x && python -m pytest -q 2>&1 | tail -5", True),
        ("python - <<'EOF'\nimport unittest\nunittest.main()\nEOF", True),
        ("./tests/runtests.py queries", True),
        ("python manage.py test app", True),
        ("bin/test sympy/core", True),
        ("make test", True),
        ("cat > test_a.py <<'EOF'\nimport pytest\nEOF", False),
        ("pytest --version", False),
        ("grep -rn pytest setup.cfg", False),
        ("pip install pytest", False),
    ],
)
def test_what_runs_tests(command: str, tests: bool):
    assert runs_tests(command) is tests


@pytest.mark.parametrize("text", ["a|" * 20_000, "(" * 20_000, "${" * 20_000, "<<A " * 5_000])
def test_hostile_commands_are_given_up(text: str):
    assert len(programs_of(text)) <= 1


PATCH = """*** Begin Patch
*** Update File: src/a.py
@@ def f():
-    return 1
+    return 2
*** Add File: src/b.py
+x = 1
*** End Patch"""
OF_PATCH = [Edit("src/a.py", "    return 1", "    return 2"), Edit("src/b.py", "", "x = 1")]
ONE = Edit("a.py", "x", "y")


@pytest.mark.parametrize(
    ("tool", "arguments", "edits"),
    [
        ("Edit", {"file_path": "a.py", "old_string": "x", "new_string": "y"}, [ONE]),
        ("Write", {"file_path": "a.py", "content": "y"}, [Edit("a.py", "", "y")]),
        (
            "MultiEdit",
            {"file_path": "a.py", "edits": [{"old_string": "x", "new_string": "y"}] * 2},
            [ONE, ONE],
        ),
        ("replace", {"file_path": "a.py", "old_string": "x", "new_string": "y"}, [ONE]),
        ("write_file", {"file_path": "a.py", "content": "y"}, [Edit("a.py", "", "y")]),
        ("edit", {"filePath": "a.py", "oldString": "x", "newString": "y"}, [ONE]),
        ("replace_in_file", {"path": "a.py", "diff": "y"}, [Edit("a.py", "", "y")]),
        ("apply_patch", {"input": PATCH}, OF_PATCH),
        ("apply_patch", PATCH, OF_PATCH),
        ("str_replace_editor", {"command": "view", "path": "a.py"}, []),
        ("Edit", {"file_path": 3, "edits": [None, 4]}, []),
    ],
)
def test_edit_tools_of_each_scaffold(tool: str, arguments: dict | str, edits: list[Edit]):
    text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
    assert edits_of(Action(tool, text), (), Files()) == edits


def test_a_written_file_is_known_by_its_text():
    text = orjson.dumps({"file_path": "a.py", "content": "x = 1"}).decode()
    assert texts_of(Action("Write", text), ()) == {"a.py": "x = 1"}


@pytest.mark.parametrize("script", ["s/" * 15_000, "s|" + "a" * 30_000, "/a" * 15_000])
def test_hostile_sed_scripts_are_edits_of_unknown_text(script: str):
    assert edits(f"sed -i '{script}' a.py") == [Edit("a.py", new=script)]


@given(st.text(alphabet="ab |&;<>()[]{}$`'\"\\\n-=/E", max_size=60))
def test_any_text_can_be_read(text: str):
    assert all(isinstance(program.name, str) for program in programs_of(text))
