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
