"""What is taken for a command, by the prompts of a batch."""

import re

import pytest

from srft_assets.rollouts.settings import (
    PLAIN_ACTION,
    benchmark,
    parse_settings,
    reading_of,
    told_of,
)


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
