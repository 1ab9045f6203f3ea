"""`critic_prompt/<critic>`: the words and settings that decide what a critic answers."""

from typing import Any

import orjson
import polars as pl

from srft_assets.critic.prompt.count import counter_fingerprint
from srft_assets.critic.prompt.template import Prompt
from srft_assets.critic.spec import LlmSpec
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.stage import Made, Stage, Work

CRITIC_PROMPTS = pl.Schema(
    {
        "version": pl.String,
        "model": pl.String,
        "prompt": pl.String,
        "settings": pl.String,
        "sees_gold_patch": pl.Boolean,
    }
)
"""One row. `settings` is JSON."""

VERSION = 1
"""Raised when the output changes; see tools/versions.py."""

DESCRIPTION = """
The prompt and the settings of the critic `{name}`: all that decides its verdicts beside the runs.
Endpoint, concurrency, prices and this description decide nothing. Earlier versions stay in
`critic_versions`.

{description}
"""


def deciding_settings(spec: LlmSpec) -> dict[str, Any]:
    """The settings that decide verdicts, with dotted names, and what counts tokens."""
    return flat(spec.deciding()) | {
        "context.tokenizer": counter_fingerprint(spec.context.tokenizer)
    }


def critic_version(spec: LlmSpec, prompt: Prompt) -> str:
    """8 hex digits of all that decides what a critic answers: its prompt and its settings."""
    return digest({"prompt": prompt.digest, "settings": deciding_settings(spec)})[:8]


def prompt_stage(name: str, spec: LlmSpec, prompt: Prompt) -> Stage:
    """The stage of one critic's prompt. It shows what `step_verdicts/<name>` reads for itself."""
    settings = deciding_settings(spec)
    version = critic_version(spec, prompt)
    row = {
        "version": version,
        "model": spec.model,
        "prompt": prompt.text,
        "settings": orjson.dumps(settings, option=orjson.OPT_SORT_KEYS).decode(),
        "sees_gold_patch": spec.sees.gold_patch,
    }

    def make(work: Work) -> Made:
        leak = {"sees the gold patch": True} if spec.sees.gold_patch else {}
        return Made(
            pl.DataFrame([row], schema=CRITIC_PROMPTS), metadata={"version": version, **leak}
        )

    return Stage(
        key=f"critic_prompt/{name}",
        partitioned_by="none",
        upstream=(),
        schema=CRITIC_PROMPTS,
        code={"version": VERSION},
        config={"prompt.md": prompt.text, **settings},
        make=make,
        volatile=("prompt", "settings", "model", "sees_gold_patch"),
        kept="critic_versions",
        on_request=True,
        description=DESCRIPTION.format(name=name, description=spec.description).strip(),
        kinds=frozenset({"jinja", "yaml"}),
    )


def flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings with dotted names, so that a change is told by its name."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found
