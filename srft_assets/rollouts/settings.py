"""What a batch of kind `rollout` is made from, as its manifest keeps it; by it, what the agent is
told and how its answers are read.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from srft_assets.agent import protocol
from srft_assets.agent.play import Told, prepare_mini
from srft_assets.errors import SrftError
from srft_assets.serving import ServerSpec
from srft_assets.tokens.evaluation import Environment, PriceSpec, Url
from srft_assets.warehouse.recipe import digest

KIND = "rollout"
VERSION = 2
"""Raised by hand when the same settings mean other runs. Recorded runs may have cost money, so
that no other change of code makes them stale."""


class _Stated(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LabTasks(_Stated):
    """Generated tasks, played in the sandbox."""

    kind: Literal["lab"] = "lab"
    seed: int
    count: int = Field(ge=1, le=1000)


class RowTasks(_Stated):
    """Rows of a SWE-bench data set, copied to `<runs>/<batch>/instances.jsonl`."""

    kind: Literal["rows"] = "rows"
    source: str
    """File, folder or hub id that they came from."""
    count: int = Field(ge=1)
    rows: str
    """Digest of their content."""


class EndpointModel(_Stated):
    """A model behind an API, through mini-swe-agent's own client (litellm)."""

    kind: Literal["endpoint"] = "endpoint"
    name: str = Field(min_length=1)
    """As the server names it; with litellm's provider before it where `base_url` is empty."""
    base_url: Url = ""
    """Of an OpenAI-compatible API, up to `/v1`."""
    api_key_env: str = ""
    """Variable of the environment that holds the key; the key itself is never kept."""
    protocol: Literal["text", "tools"] = "text"
    price: PriceSpec | None = None
    timeout: float = Field(default=600.0, gt=0)
    """Seconds for one answer."""
    weights: str = ""
    """Digest of the weights that answer, where that is known."""

    @property
    def deciding(self) -> dict[str, Any]:
        """The weights, else the name; not where they are, nor how a server calls them."""
        known = {"weights": self.weights, "protocol": self.protocol}
        return known if self.weights else self.named

    @property
    def named(self) -> dict[str, Any]:
        """What decides them where nobody knows the weights."""
        return {"name": self.name, "protocol": self.protocol}


class ServedModel(_Stated):
    """A model that vLLM serves, started for the batch and ended with it."""

    kind: Literal["vllm"] = "vllm"
    server: ServerSpec
    name: str = ""
    """What is asked: an adapter of `server.lora_modules`; empty: the model itself."""
    adapter_digest: str = ""
    """Of the adapter's weights."""
    weights: str = ""
    """Digest of `server.model` where that is a folder; one that holds others by now is refused."""
    protocol: Literal["text", "tools"] = "text"
    timeout: float = Field(default=600.0, gt=0)

    @property
    def deciding(self) -> dict[str, Any]:
        """The weights, else the Hub's name of the model, the adapter, and how they are asked."""
        return {
            "model": self.weights or self.server.model,
            "name": "" if self.weights else self.name,
            "adapter": self.adapter_digest,
            "protocol": self.protocol,
        }


class LocalModel(_Stated):
    """A checkpoint that transformers loads in this process."""

    kind: Literal["local"] = "local"
    label: str
    """As the run files name it."""
    path: Path
    """Relative to the platform's root where it lies inside."""
    weights: str
    """Digest; a folder that holds others by now is refused."""

    @property
    def deciding(self) -> dict[str, Any]:
        """The weights."""
        return {"label": self.label, "weights": self.weights}


class RolloutSettings(_Stated):
    """One batch of rollouts."""

    tasks: Annotated[LabTasks | RowTasks, Field(discriminator="kind")]
    model: Annotated[EndpointModel | ServedModel | LocalModel, Field(discriminator="kind")]
    environment: Environment = "sandbox"
    """`sandbox`: tasks that bear their files, in bubblewrap; `sdist`: SWE-bench rows in bubblewrap,
    from release sources; the others: SWE-bench rows in their images."""
    prompts: Literal["short", "plain", "swebench"] = "short"
    """`short`: ours, for models that know the format; `plain`: ours, for small models that know
    only Markdown; `swebench`: those of mini-swe-agent's own benchmark."""
    attempts: int = Field(default=1, ge=1, le=100)
    step_limit: int = Field(default=12, ge=1)
    cost_limit: float = Field(default=0.0, ge=0)
    """USD of one run; 0 for no limit."""
    wall_seconds: int = Field(default=0, ge=0)
    """Of one run, without the time that answers take; 0 for no limit."""
    command_seconds: float = Field(default=30.0, gt=0)
    context: int | None = Field(default=None, ge=1)
    """Tokens of a chat; None: what the model takes."""
    max_new_tokens: int = Field(default=1024, ge=1)
    """Tokens of one answer."""
    temperature: float = Field(default=0.0, ge=0)
    seed: int = 0
    workers: int = Field(default=4, ge=1, le=256)
    """Runs played at the same time."""
    again: int = Field(default=0, ge=0)
    """How often runs that crashed were given another try; makes the batch stale, changes no run."""
    network: bool = False
    """Whether containers may reach the network; the sandbox never does."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.tasks.kind == "lab" and self.environment != "sandbox":
            raise ValueError(f"{self.tasks.kind} tasks cannot be played in {self.environment}")
        if self.protocol == "tools" and self.prompts != "swebench":
            raise ValueError("the protocol tools needs the prompts swebench")
        if self.network and self.environment in ("sandbox", "sdist"):
            raise ValueError(f"{self.environment} never has a network")
        return self

    @property
    def protocol(self) -> str:
        """How actions are written: `text` or `tools`."""
        return "text" if self.model.kind == "local" else self.model.protocol

    @property
    def identity(self) -> str:
        """12 hex digits over what decides a run: neither how many there are, nor how fast."""
        return self.identities_on(self.tasks.rows if isinstance(self.tasks, RowTasks) else "lab")[0]

    def identities_on(self, rows: str) -> list[str]:
        """The identity that these settings have with other rows, and the one by which runs lie that
        were played before weights were asked for; `rows`: the digest of those rows."""
        unsaid = {"model", "tasks", "attempts", "workers", "again"}
        stated = self.model_dump(mode="json", exclude=unsaid)
        known = [self.model.deciding]
        if isinstance(self.model, EndpointModel):
            known.append(self.model.named)
        models = ({"kind": self.model.kind, **one} for one in known)
        told = ({**stated, "model": one, "tasks": rows, "version": str(VERSION)} for one in models)
        return [digest(one)[:12] for one in told]


def parse_settings(settings: dict[str, Any], batch: str) -> RolloutSettings:
    """Raises SrftError that names the setting."""
    try:
        return RolloutSettings.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "settings"
        reason = first["msg"].removeprefix("Value error, ")
        raise SrftError(f"batch {batch}: {place}: {reason}") from error


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
