"""Model servers: what one serves, the command that starts it, and the variables that state both."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from srft_assets.project.settings import settings

VLLM = ("vllm", "serve")
CACHE_HITS = "--enable-prompt-tokens-details"
"""Answers then say how much of the prompt came from the cache; without it they say nothing."""
QUIET = {"HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONUNBUFFERED": "1", "VLLM_NO_USAGE_STATS": "1"}

URL = "SRFT_CRITIC_URL"
"""Of a server that runs already, up to `/v1`. It goes before all else."""
MODEL = "SRFT_VLLM_MODEL"
"""What vLLM shall serve: a folder or a Hub id."""
NAME = "SRFT_VLLM_NAME"
"""As requests name that model."""

FLAGS = {
    *("served_model_name", "tensor_parallel_size", "max_model_len", "quantization", "dtype"),
    "gpu_memory_utilization",
}
"""Settings that vLLM's command line takes under the same name."""
Name = Annotated[str, Field(min_length=1, pattern=r"^[^-\s]\S*$")]
"""A leading dash would make it a flag."""
ModelSource = Annotated[str, Field(min_length=1, pattern=r"^[^-]")]


class ServerSpec(BaseModel):
    """A vLLM server. None leaves a setting to vLLM."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: ModelSource
    """A local folder or a Hub id."""
    served_model_name: Name | None = None
    """As requests name the model; None: as `model` states it."""
    tensor_parallel_size: PositiveInt | None = None
    """GPUs that share each layer."""
    max_model_len: PositiveInt | None = None
    """Tokens of one call, prompt and answer together."""
    enable_prefix_caching: bool | None = None
    """Whether calls that begin alike share their computation."""
    quantization: Name | None = None
    dtype: Name | None = None
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)
    """Share of each GPU's memory that the server may take."""
    lora_modules: dict[Name, ModelSource] = Field(default_factory=dict)
    """Name → folder of an adapter; requests name it in place of the model."""
    host: Name = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)
    """0 takes a free one."""
    start_timeout: float = Field(default=900.0, gt=0)
    """Seconds until the server must answer. Loading weights takes minutes."""
    stop_timeout: float = Field(default=10.0, ge=0)
    """Seconds between SIGTERM and SIGKILL."""
    extra_args: tuple[str, ...] = ()
    """Further arguments, as the command line wants them."""
    command: Annotated[tuple[str, ...], Field(min_length=1)] = VLLM
    """What comes before the model. vLLM of another environment: `[PYTHON, -m,
    vllm.entrypoints.openai.api_server, --model]`."""
    env: dict[str, str] = Field(default_factory=dict)
    """Added to this process's environment. No secrets: it is kept with the run's settings."""

    @property
    def names(self) -> tuple[str, ...]:
        """What requests may name as their model."""
        return (self.served_model_name or self.model, *self.lora_modules)

    def argv(self, port: int) -> list[str]:
        """The command line. The key of the API is not on it: every user can see those."""
        flags: list[object] = []
        for name, value in self.model_dump(include=FLAGS, exclude_none=True).items():
            flags += [f"--{name.replace('_', '-')}", value]
        if self.enable_prefix_caching is not None:
            no = "" if self.enable_prefix_caching else "no-"
            flags.append(f"--{no}enable-prefix-caching")
        if self.lora_modules:
            modules = [f"{name}={path}" for name, path in self.lora_modules.items()]
            flags += ["--enable-lora", "--lora-modules", *modules]
        fixed = ["--host", self.host, "--port", port, CACHE_HITS]
        return [str(part) for part in (*self.command, self.model, *fixed, *flags, *self.extra_args)]

    def environment(self, base: Mapping[str, str], api_key: str) -> dict[str, str]:
        """`base` with this server's variables."""
        return {**QUIET, **base, **self.env, "VLLM_API_KEY": api_key}


def program_of(command: Sequence[str]) -> str | None:
    """Path of a command's program: beside this Python, else as PATH says; None if there is none."""
    beside = Path(sys.executable).parent
    return shutil.which(command[0], path=beside) or shutil.which(command[0])


def vllm_program() -> str | None:
    """The program that would serve by the settings; None where it is not installed."""
    return program_of(settings().vllm.command or VLLM)
