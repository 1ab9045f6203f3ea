"""The scripted teacher: fallible at stated rates, and honest about it."""

from collections import Counter

from srft_assets.agent.protocol import SUBMIT
from srft_assets.lab.tasks import CHECK, generate_tasks
from srft_assets.lab.teacher import Conversation, Rates, Teacher
from srft_assets.outcomes.task import TaskInstance
from tools.base_model.chats import rehearse, rehearse_run, teacher_messages

FAULTLESS = Rates(needless=0, wrong_edit=0, wrong_again=0, wrong_place=0, untested=0, give_up=0)


def commands(messages: list[dict]) -> list[str]:
    closed = [*messages, {"role": "user", "content": ""}]
    return Conversation(closed).commands


def final_files(task: TaskInstance, messages: list[dict]) -> dict[str, str]:
    files = dict(task.files)
    for command in commands(messages):
        if command != SUBMIT:
            rehearse(command, files)
    return files


def gold_module(task: TaskInstance) -> str:
    """The module after the gold patch, without git."""
    module = task.files[f"{task.repo.removeprefix('lab/')}.py"]
    lines = task.patch.splitlines()
    old = [line[1:] for line in lines if line.startswith("-    ")]
    new = [line[1:] for line in lines if line.startswith("+    ")]
    for before, after in zip(old, new, strict=True):
        module = module.replace(before, after)
    return module


def resolved(task: TaskInstance, messages: list[dict]) -> bool:
    if commands(messages)[-1] != SUBMIT:
        return False
    files = final_files(task, messages)
    return gold_module(task) == files[f"{task.repo.removeprefix('lab/')}.py"]


def labelled(task: TaskInstance, seed: int) -> list[tuple[str, str]]:
    """(command, label) of every step."""
    teacher = Teacher(seed, task.instance_id)
    messages = rehearse_run(task, teacher)
    turns = [place for place, m in enumerate(messages) if m["role"] == "assistant"]
    labels = [teacher.reply(messages[:place])[1]["teacher"]["label"] for place in turns]
    return list(zip(commands(messages), labels, strict=True))


def test_without_slips_every_run_is_resolved_and_all_steps_are_good() -> None:
    for task in generate_tasks(40, 23):
        teacher = Teacher(23, task.instance_id, FAULTLESS)
        assert resolved(task, rehearse_run(task, teacher))


def test_the_same_chat_gets_the_same_answer_and_another_seed_another_run() -> None:
    first, again = (list(teacher_messages(30, 5)) for _ in range(2))
    assert first == again
    task = generate_tasks(1, 5)[0]
    runs = [str(rehearse_run(task, Teacher(seed, task.instance_id))) for seed in range(8)]
    assert len(set(runs)) > 1


def test_all_labels_occur_and_every_unresolved_run_has_a_mistake() -> None:
    seen: Counter[str] = Counter()
    for task in generate_tasks(150, 24):
        steps = labelled(task, 24)
        seen.update(label for _, label in steps)
        if not resolved(task, rehearse_run(task, Teacher(24, task.instance_id))):
            assert "mistake" in [label for _, label in steps]
    assert set(seen) == {"good", "unnecessary", "mistake", "recover"}


def test_an_edit_that_keeps_a_test_failing_is_labelled_a_mistake() -> None:
    """Judged by what the tests say before and after, not by the teacher's own word."""
    worse = 0
    for task in generate_tasks(60, 25):
        files = dict(task.files)
        for command, label in labelled(task, 25):
            if not command.startswith("sed"):
                continue
            before = rehearse(CHECK, files)[0].count("FAIL")
            rehearse(command, files)
            after = rehearse(CHECK, files)[0].count("FAIL")
            if label in ("good", "recover"):
                assert after < before
            elif after > before:
                assert label == "mistake"
                worse += 1
    assert worse


def test_recover_follows_a_mistake_in_the_same_function() -> None:
    seen: set[str] = set()
    for task in generate_tasks(80, 26):
        edited: set[str] = set()
        for command, label in labelled(task, 26):
            if command.startswith("sed"):
                target = command.split(".*")[0]
                assert (label != "recover") or target in edited
                assert (label != "good") or target not in edited
                edited.add(target)
                seen.add(label)
    assert {"mistake", "recover", "good"} <= seen


def test_transcripts_are_short() -> None:
    lengths = [sum(len(m["content"]) for m in run) for run in teacher_messages(100, 27)]
    assert max(lengths) < 4500
    assert sum(lengths) / 100 < 2200
