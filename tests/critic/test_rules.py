"""What the rules critic says, rule by rule."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.critic.rules import critic
from srft_assets.critic.verdict import Label, Verdict
from srft_assets.trajectories.model import Action, Step, Trajectory

FIX = "sed -i 's/a - b/a + b/' calc.py"
SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT && git diff"
TESTS = "python -m pytest"


def bash(command: str, output: str = "", code: int | None = 0) -> Step:
    return Step(0, 0, "", [Action("bash", command)], [output], [code])


def editor(output: str = "The file has been edited", **arguments: str) -> Step:
    action = Action("str_replace_editor", orjson.dumps(arguments).decode())
    return Step(0, 0, "", [action], [output], [None])


def judge(*steps: Step) -> list[Verdict]:
    for index, step in enumerate(steps):
        step.step_index = index
    run = Trajectory("t", "i", "mini-swe-agent", "test", messages=[], steps=list(steps))
    return critic.judge(run)


def labels(*steps: Step) -> list[str]:
    return [str(verdict.label) for verdict in judge(*steps)]


def test_a_clean_run_is_good_throughout():
    assert (
        labels(bash("cat calc.py", "a - b"), bash(FIX), bash(TESTS, "3 passed"), bash(SUBMIT))
        == ["good"] * 4
    )


def test_a_failed_command_is_a_mistake_and_its_mended_retry_recovers():
    assert labels(bash("cat calk.py", "No such file", 1), bash("cat calc.py", "a - b")) == [
        "mistake",
        "recover",
    ]


def test_without_an_exit_code_the_shells_words_count():
    assert labels(bash("cat calk.py", "cat: calk.py: No such file or directory", None)) == [
        "mistake"
    ]


@pytest.mark.parametrize("command", ["grep -rn foo .", "diff a b", "rg foo"])
def test_exit_1_of_a_search_is_an_answer(command):
    assert labels(bash(command, "", 1)) == ["good"]


def test_a_failing_test_run_is_not_a_failed_command():
    assert labels(bash(TESTS, "1 failed", 1)) == ["good"]


def test_a_turn_that_the_scaffold_asked_again_for_is_a_mistake():
    reminder = Step(0, 0, "hm", [], ["Please always provide EXACTLY ONE action"], [None])
    assert labels(reminder, bash("ls", "calc.py")) == ["mistake", "recover"]


def test_a_refused_edit_is_a_mistake():
    told = "No replacement was performed, old_str did not appear verbatim"
    assert labels(editor(told, command="str_replace", path="a.py", old_str="x", new_str="y")) == [
        "mistake"
    ]


def test_an_edit_taken_back_is_a_mistake_and_taking_it_back_recovers():
    verdicts = judge(bash(FIX), bash("git checkout calc.py"))
    assert [v.label for v in verdicts] == [Label.MISTAKE, Label.RECOVER]
    assert verdicts[0].reason == "the edit is undone in step 1"
    assert verdicts[1].rule == "undoes_edit"


def test_a_reverse_replacement_undoes():
    there = {"command": "str_replace", "path": "a.py", "old_str": "x", "new_str": "y"}
    back = there | {"old_str": "y", "new_str": "x"}
    assert labels(editor(**there), editor(**back)) == ["mistake", "recover"]


def test_the_same_look_twice_is_unnecessary_but_not_after_an_edit():
    look = ("cat calc.py", "a - b")
    assert labels(bash(*look), bash(*look)) == ["good", "unnecessary"]
    assert labels(bash(*look), bash(FIX), bash(*look))[2] == "good"


def test_a_turn_that_the_scaffold_refused_ran_nothing():
    told = "Please always provide EXACTLY ONE action in triple backticks, found 2 actions."
    actions = [Action("bash", "git checkout calc.py"), Action("bash", TESTS)]
    refused = Step(0, 0, "", actions, [told], [None])
    verdicts = judge(bash(FIX), refused, bash(TESTS, "1 passed"), bash(SUBMIT))
    assert [v.label for v in verdicts][:2] == [Label.GOOD, Label.MISTAKE]
    assert verdicts[1].rule == "bad_format"
    assert judge(bash(FIX), refused, bash(SUBMIT))[2].rule == "submitted_untested"


@pytest.mark.parametrize(
    "told",
    [
        "Format error:\n\n<error>\nfound 0 actions\n</error>",
        "Your output was not formatted correctly. You must always include one discussion",
        "Your last output included multiple tool calls!",
        "Your action could not be parsed properly: Extra data.",
        'Missing required argument "command" in tool call execute_bash',
        "Failed to parse tool call arguments: {",
    ],
)
def test_refusals_of_every_scaffold(told):
    verdicts = judge(Step(0, 0, "", [Action("bash", "ls")], [told], [None]), bash("ls", "calc.py"))
    assert verdicts[0].rule == "bad_format"


def test_a_text_that_quotes_a_refusal_is_none():
    quoted = "<returncode>0</returncode>\nPlease always provide EXACTLY ONE action"
    assert labels(bash("cat agent.log", quoted)) == ["good"]


@pytest.mark.parametrize(
    "edit",
    [
        "sed -i '/^x/a y = 3' calc.py",
        "python - <<'PY'\nfrom pathlib import Path\nPath('calc.py').write_text('x')\nPY",
        "git apply fix.patch",
        "tee calc.py <<'EOF'\nx\nEOF",
    ],
)
def test_a_repetition_after_an_edit_repeats_nothing(edit):
    failing = ("python run.py", "Traceback (most recent call last):\nNameError: z", 1)
    assert judge(bash(*failing), bash(edit), bash(*failing))[2].rule != "repeated_failure"


def test_another_answer_is_no_repetition():
    assert labels(bash(TESTS, "2 failed", 1), bash(TESTS, "1 failed", 1)) == ["good", "good"]


@pytest.mark.parametrize(
    ("command", "output", "code"),
    [
        ("ls missing", "ls: cannot access 'missing': No such file or directory", 2),
        ("psql --version", "bash: line 1: psql: command not found", 127),
        ("python reproduce.py", "Traceback (most recent call last):\nKeyError: 1", 1),
        ("mypy pkg", "pkg/a.py:1: error: bad", 1),
        ("pylint pkg", "pkg/a.py:1: C0114", 16),
        ("[ -f setup.py ]", "", 1),
        ("cat missing || echo none", "cat: missing: No such file or directory\nnone", 0),
    ],
)
def test_findings_and_probes_are_no_failed_commands(command, output, code):
    assert labels(bash(command, output, code)) == ["good"]


@pytest.mark.parametrize(
    ("command", "output", "code"),
    [
        ("python fix.py", "python: can't open file '/x/fix.py': [Errno 2] No such file", 2),
        ("echo (", "bash: -c: line 1: syntax error near unexpected token `('", 2),
        ("pytest test_b.py", "ERROR: file or directory not found: test_b.py", 4),
        ('python -c "print(x"', '  File "<string>", line 1\n    print(x\nSyntaxError: bad', 1),
        ("git show nope", "fatal: ambiguous argument 'nope': unknown revision", 128),
    ],
)
def test_a_command_that_is_wrong_as_written_is_a_mistake(command, output, code):
    assert [v.rule for v in judge(bash(command, output, code))] == ["command_failed"]


def test_an_edit_by_a_program_that_ends_with_an_error_is_a_mistake():
    script = "python - <<'PY'\ns = open('a.py').read()\nopen('a.py', 'w').write(s)\nPY"
    assert judge(bash(script, "Traceback …", 1))[0].rule == "edit_refused"
    assert judge(bash("sed -i 's/a/b' a.py", "sed: -e expression #1", 1))[0].rule == "edit_refused"


def test_an_edit_that_python_cannot_compile_is_a_mistake():
    broken = '  File "/x/calc.py", line 3\n    return (\nSyntaxError: invalid syntax'
    verdicts = judge(bash(FIX), bash("python reproduce.py", broken, 1))
    assert [v.rule for v in verdicts] == ["edit_broke_code", ""]


def test_to_look_at_the_baseline_undoes_nothing():
    back = "sed -i 's/a + b/a - b/' calc.py"
    for there, again in (
        (back, FIX),
        ("git stash", "git stash pop"),
        ("git checkout calc.py", FIX),
    ):
        verdicts = judge(bash(FIX), bash(there), bash(TESTS, "1 failed", 1), bash(again))
        assert "mistake" not in {str(v.label) for v in verdicts}


def test_what_git_takes_back_is_a_mistake_only_where_it_is_the_last_edit_and_never_ran_well():
    other = "sed -i 's/c/d/' calc.py"
    again = "sed -i 's/e/f/' calc.py"
    assert labels(bash(FIX), bash(other), bash("git checkout calc.py"), bash(again))[:2] == [
        "good",
        "mistake",
    ]
    assert labels(bash(FIX), bash("python run.py"), bash("git checkout calc.py"))[0] == "good"


def test_a_trial_script_that_fails_in_its_own_lines_and_is_mended_next_is_a_mistake():
    write = "cat > try.py <<'EOF'\nimport calc\ncalc.ad(1)\nEOF"
    mended = "cat > try.py <<'EOF'\nimport calc\ncalc.add(1)\nEOF"
    error = '  File "/x/try.py", line 2, in <module>\nAttributeError: no ad'
    failed = ("python try.py", f"Traceback (most recent call last):\n{error}", 1)
    assert judge(bash(write), bash(*failed), bash(mended))[0].rule == "edit_broke_code"
    assert labels(bash(write), bash(*failed), bash(FIX))[0] == "good", "the code was wrong"


def test_tidying_up_after_the_tests_passed_needs_no_further_test():
    tidy = "sed -i '/# remark/d' calc.py"
    assert labels(bash(FIX), bash(TESTS, "3 passed"), bash(tidy), bash(SUBMIT)) == ["good"] * 4


def test_a_log_that_is_missing_after_a_trial_is_an_answer():
    command = "python run.py; cat debug.log"
    assert labels(bash(command, "cat: debug.log: No such file or directory", 1)) == ["good"]


def test_names_of_tests_in_a_cut_observation_tell_nothing():
    cut = "FAILED t.py::a\n<output_head>\n<output_tail>\nFAILED t.py::z\n9 failed"
    assert labels(bash(TESTS, cut, 1), bash(FIX), bash(TESTS, "FAILED t.py::b", 1))[1] == "good"


def test_a_debug_print_is_no_edit_that_had_to_be_undone():
    show = "sed -i 's/return a/print(a); return a/' calc.py"
    hide = "sed -i 's/print(a); return a/return a/' calc.py"
    assert labels(bash(show), bash("python run.py", "3"), bash(hide)) == ["good"] * 3


def test_a_new_failure_after_an_edit_is_a_mistake():
    before = (TESTS, "FAILED t.py::a\n1 failed", 1)
    after = (TESTS, "FAILED t.py::a\nFAILED t.py::b\n2 failed", 1)
    assert judge(bash(*before), bash(FIX), bash(*after))[1].rule == "broke_tests"


def test_an_edit_after_which_fewer_tests_fail_is_good():
    before = (TESTS, "FAILED t.py::a\nFAILED t.py::b\n2 failed", 1)
    after = (TESTS, "FAILED t.py::b\n1 failed", 1)
    again = "sed -i 's/c/d/' calc.py"
    assert labels(bash(*before), bash(FIX), bash(*after), bash(again))[1] == "good"


def test_an_edit_through_python_is_an_edit():
    script = "python - <<'PY'\np = Path('a.py')\np.write_text(p.read_text() + 'x')\nPY"
    verdict = judge(bash(script), bash(SUBMIT))[1]
    assert verdict.reason == "submitted without a passing test after the edit of step 0"


@pytest.mark.parametrize("trial", ["python -c 'import calc'", "python - <<'E'\nimport calc\nE"])
def test_code_on_the_command_line_tests_what_is_submitted(trial):
    assert labels(bash(FIX), bash(trial), bash(SUBMIT)) == ["good"] * 3


def test_the_same_failure_twice_is_a_mistake_of_its_own():
    failing = (TESTS, "1 failed", 1)
    verdicts = judge(bash(*failing), bash(*failing))
    assert [v.label for v in verdicts] == [Label.GOOD, Label.MISTAKE]
    assert verdicts[1].rule == "repeated_failure"


def test_submitting_untested_is_a_mistake():
    verdicts = judge(bash(FIX), bash(SUBMIT))
    assert verdicts[1].reason == "submitted without a passing test after the edit of step 0"


def test_submitting_after_failing_tests_is_a_mistake():
    assert labels(bash(FIX), bash(TESTS, "1 failed", 1), bash(SUBMIT))[2] == "mistake"


def test_submitting_nothing_is_a_mistake():
    assert judge(bash("ls", "calc.py"), bash(SUBMIT))[1].reason == "submitted without an edit"


def test_an_edit_that_breaks_passing_tests_is_a_mistake():
    assert labels(bash(TESTS, "3 passed"), bash(FIX), bash(TESTS, "1 failed", 1))[1] == "mistake"


def test_an_edit_that_did_not_help_is_a_mistake_and_the_one_that_mends_recovers():
    wrong = "sed -i 's/a - b/a * b/' calc.py"
    right = "sed -i 's/a \\* b/a + b/' calc.py"
    assert labels(
        bash(wrong), bash(TESTS, "1 failed", 1), bash(right), bash(TESTS, "3 passed")
    ) == ["mistake", "good", "recover", "good"]


def test_writing_a_test_script_is_not_running_it():
    write = "cat > test_it.py <<'EOF'\nimport pytest\nassert False  # python test_it.py\nEOF"
    assert (
        labels(bash(TESTS, "3 passed"), bash(write, "1 failed"), bash(TESTS, "1 failed", 1))
        == ["good"] * 3
    )


def test_a_turn_without_action_is_unnecessary_unless_it_is_the_last():
    silent = Step(0, 0, "thinking", [], ["go on"], [None])
    last = Step(0, 0, "done", [], [], [])
    assert labels(silent, last) == ["unnecessary", "good"]


TEXT = st.text(max_size=40) | st.sampled_from([FIX, SUBMIT, TESTS, "git checkout .", "1 failed"])


@given(st.lists(st.tuples(TEXT, TEXT, st.none() | st.integers(-1, 3)), max_size=12))
def test_every_step_of_any_run_gets_one_verdict_with_a_reason(steps):
    verdicts = judge(*(bash(*step) for step in steps))
    assert [v.step_index for v in verdicts] == list(range(len(steps)))
    assert all(v.reason and v.label is not Label.UNLABELED for v in verdicts)
