"""Generated tasks: deterministic, true to the SWE-bench schema, and really broken."""

import subprocess

import pytest

from srft_assets.agent.protocol import working_copy
from srft_assets.lab.tasks import (
    MODULES,
    OF_OPERATOR,
    OPERATORS,
    commit_id,
    generate_tasks,
    git_diff,
)
from srft_assets.outcomes.sandbox_grader import grade_patch
from srft_assets.outcomes.status import Status
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox.model import Sandbox


def text(tasks: list[TaskInstance]) -> list[str]:
    return [task.model_dump_json(by_alias=True) for task in tasks]


def git(folder: object, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=str(folder), capture_output=True, text=True, check=True
    ).stdout


def test_same_arguments_give_the_same_bytes() -> None:
    assert text(generate_tasks(50, 7)) == text(generate_tasks(50, 7))


def test_a_longer_list_begins_with_the_shorter() -> None:
    assert text(generate_tasks(10, 7)) == text(generate_tasks(40, 7))[:10]


def test_seeds_share_neither_ids_nor_repositories() -> None:
    train, held_out = generate_tasks(400, 1), generate_tasks(400, 90_001)
    both = [*train, *held_out]
    assert len({task.instance_id for task in both}) == 800
    assert len({task.base_commit for task in both}) == 800


def test_tasks_have_one_to_four_bugs_and_both_lists_of_tests() -> None:
    bugs = [len(task.fail_to_pass) // 2 for task in generate_tasks(200, 3)]
    assert set(bugs) == {1, 2, 3, 4}
    assert all(len(t.fail_to_pass) + len(t.pass_to_pass) == 12 for t in generate_tasks(50, 3))


def test_a_row_survives_json() -> None:
    (task,) = generate_tasks(1, 3)
    assert TaskInstance.model_validate_json(task.model_dump_json(by_alias=True)) == task


@pytest.mark.parametrize("module", MODULES)
def test_an_edit_by_content_names_one_function(module: str) -> None:
    firsts = [name.arguments[0] for name in MODULES[module]]
    clash = [(a, b) for a in firsts for b in firsts if a != b and b.startswith(a)]
    assert not clash
    assert len({name.function for name in MODULES[module]}) == len(MODULES[module])


def test_every_operator_has_a_near_one_of_its_family() -> None:
    for operators in OPERATORS.values():
        assert all(OF_OPERATOR[op][0] in {*operators} - {op} for op in operators)


def test_base_commit_and_gold_patch_are_what_git_says() -> None:
    for task in generate_tasks(3, 11):
        with working_copy(task) as folder:
            assert git(folder, "rev-parse", "HEAD").strip() == task.base_commit
            subprocess.run(
                ["git", "apply", "-"], cwd=folder, input=task.patch, text=True, check=True
            )
            assert git(folder, "-c", "core.abbrev=7", "diff") == task.patch


def test_a_new_file_is_diffed_as_git_does() -> None:
    (task,) = generate_tasks(1, 11)
    with working_copy(task) as folder:
        subprocess.run(
            ["git", "apply", "-"], cwd=folder, input=task.test_patch, text=True, check=True
        )
        git(folder, "add", "-A")
        assert git(folder, "-c", "core.abbrev=7", "diff", "--cached") == task.test_patch


def test_no_change_is_an_empty_diff() -> None:
    assert git_diff({"a": "x\n"}, {"a": "x\n"}) == ""
    assert len(commit_id({"a": "x\n"})) == 40


def test_gold_patch_resolves_and_a_patch_that_fixes_nothing_does_not(sandbox: Sandbox) -> None:
    for task in generate_tasks(4, 13):
        gold = grade_patch(task, task.patch, sandbox, trajectory_id="gold")
        assert gold.status is Status.RESOLVED
        assert gold.f2p_total == len(task.fail_to_pass)
        other = git_diff({}, {"notes.txt": "nothing to see\n"})
        idle = grade_patch(task, other, sandbox, trajectory_id="idle")
        assert idle.status is Status.UNRESOLVED
        assert (idle.f2p_passed, idle.p2p_passed) == (0, len(task.pass_to_pass))


def test_tests_that_were_tampered_with_resolve_nothing(sandbox: Sandbox) -> None:
    (task,) = generate_tasks(1, 14)
    name = next(name for name in task.files if name.startswith("test_"))
    patch = git_diff(task.files, {name: "import unittest\n"})
    outcome = grade_patch(task, patch, sandbox, trajectory_id="tampered")
    assert outcome.status is Status.UNRESOLVED
