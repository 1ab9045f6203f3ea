"""What the agent is told, and how its answers are read, by the settings of a batch."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from srft_assets.agent import protocol
from srft_assets.agent.play import Told, prepare_mini
from srft_assets.rollouts.batch.settings import RolloutSettings

BENCHMARKS = {"text": "swebench_backticks.yaml", "tools": "swebench.yaml"}
"""mini-swe-agent's own settings for SWE-bench, by protocol."""
PLAIN_SYSTEM = """\
You fix bugs with bash commands. Answer with one command in a block, like this:
```bash
ls
```"""
PLAIN_ERROR = "I found no block. Answer with one ```bash block."
PLAIN_ACTION = r"\A.*?```[a-z]*[ \t]*\n(.*?)(?:\n```|\Z)"
"""The first fenced block, also one that the token limit cut off."""


def told_of(settings: RolloutSettings, hint: str = "") -> Told:
    """The agent's templates and limits. `hint` says how tests are run; it is never a template."""
    system, instance = protocol.SYSTEM, protocol.INSTANCE
    if settings.prompts == "plain":
        system = PLAIN_SYSTEM
    if settings.prompts == "swebench":
        agent = benchmark(settings.protocol)["agent"]
        system, instance = agent["system_template"], agent["instance_template"]
    if hint:
        instance += "\nTests: {% raw %}" + hint + "{% endraw %}"
    return Told(
        system=system,
        instance=instance,
        steps=settings.step_limit,
        cost=settings.cost_limit,
        seconds=settings.wall_seconds,
    )


def reading_of(settings: RolloutSettings) -> dict[str, Any]:
    """Templates and regular expression that mini-swe-agent's models take."""
    if settings.prompts == "swebench":
        model = benchmark(settings.protocol)["model"]
        wanted = ("observation_template", "format_error_template", "action_regex")
        return {name: model[name] for name in wanted if name in model}
    plain = settings.prompts == "plain"
    return {
        "observation_template": protocol.OBSERVATION,
        "format_error_template": PLAIN_ERROR if plain else protocol.FORMAT_ERROR,
        "action_regex": PLAIN_ACTION if plain else protocol.ACTION,
    }


@cache
def benchmark(protocol: str) -> dict[str, Any]:
    """The settings that mini-swe-agent carries."""
    prepare_mini()
    import minisweagent

    folder = Path(minisweagent.__file__).parent / "config" / "benchmarks"
    stated = yaml.safe_load((folder / BENCHMARKS[protocol]).read_text(encoding="utf-8"))
    assert isinstance(stated, dict)
    return stated
