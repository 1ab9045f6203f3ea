"""What decides a run, and what settings contradict each other."""

import re

import pytest

from srft_assets.errors import SrftError
from srft_assets.rollouts.settings import (
    PLAIN_ACTION,
    benchmark,
    parse_settings,
    reading_of,
    told_of,
)

BASE = {
    "tasks": {"kind": "lab", "seed": 5, "count": 2},
    "model": {"kind": "endpoint", "name": "m", "base_url": "http://one/v1"},
}


def identity(**more) -> str:
    model = {**BASE["model"], **more.pop("model", {})}
    return parse_settings({**BASE, "model": model, **more}, "b").identity


@pytest.mark.parametrize(
    "same",
    [
        {"attempts": 9},
        {"workers": 32},
        {"tasks": {"kind": "lab", "seed": 6, "count": 40}},
        {"model": {"base_url": "http://two/v1", "api_key_env": "KEY", "timeout": 5}},
    ],
)
def test_how_many_and_how_fast_decides_no_run(same):
    assert identity(**same) == identity()


@pytest.mark.parametrize(
    "other",
    [
        {"temperature": 0.5},
        {"seed": 1},
        {"step_limit": 3},
        {"context": 500},
        {"prompts": "swebench"},
        {"model": {"name": "n"}},
        {"model": {"protocol": "tools"}, "prompts": "swebench"},
        {"tasks": {"kind": "rows", "source": "x", "count": 1, "rows": "1"}, "environment": "sdist"},
    ],
)
def test_what_a_run_depends_on_decides_it(other):
    assert identity(**other) != identity()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"attempts": 0}, "batch b: attempts: "),
        ({"colour": "red"}, "batch b: colour: "),
        ({"environment": "docker"}, "lab tasks cannot be played in docker"),
        ({"network": True}, "sandbox never has a network"),
        ({"model": {**BASE["model"], "protocol": "tools"}}, "needs the prompts swebench"),
        ({"model": {"kind": "magic"}}, "batch b: model"),
        (
            {"model": {**BASE["model"], "base_url": "http://me:pw@h/v1"}},
            "api_key_env names the key",
        ),
        ({"model": {**BASE["model"], "base_url": "http://h/v1?key=k"}}, "state no user, password"),
        ({"tasks": {"kind": "lab", "seed": 1, "count": 0}}, "batch b: tasks.lab.count"),
    ],
)
def test_bad_settings_are_told_in_one_line(change, told):
    with pytest.raises(SrftError, match=told) as caught:
        parse_settings({**BASE, **change}, "b")
    assert "\n" not in str(caught.value)


def settings(prompts, protocol="text"):
    model = {"kind": "endpoint", "name": "m", "base_url": "http://x/v1", "protocol": protocol}
    tasks = {"kind": "lab", "seed": 1, "count": 1}
    return parse_settings({"tasks": tasks, "model": model, "prompts": prompts}, "b")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("Look:\n```bash\nls -a\n```\nand so on", "ls -a"),
        ("```\nls\npwd\n```", "ls\npwd"),
        ("```bash\ncat a.py\n```\n```bash\nrm b\n```", "cat a.py"),
        ("```sh\ngrep -r na", "grep -r na"),
        ("no block", None),
        ("`ls`", None),
    ],
)
def test_the_first_block_of_a_plain_answer_is_its_command(text, command):
    found = re.findall(PLAIN_ACTION, text, re.DOTALL)
    assert found == ([] if command is None else [command])


@pytest.mark.parametrize("protocol", ["text", "tools"])
def test_the_benchmarks_own_prompts_come_from_the_package(protocol):
    told = told_of(settings("swebench", protocol))
    assert told.instance == benchmark(protocol)["agent"]["instance_template"]
    assert "action_regex" not in reading_of(settings("swebench", protocol))
    assert "returncode" in reading_of(settings("swebench", protocol))["observation_template"]


def test_a_hint_is_text_and_never_a_template():
    from jinja2 import Template

    told = told_of(settings("short"), hint="run {{ secret }} {% now %}")
    shown = Template(told.instance).render(task="x")
    assert shown.endswith("Tests: run {{ secret }} {% now %}")
