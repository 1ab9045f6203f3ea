"""What a checkpoint is scored on, and how it plays it: `evaluation:` of an arm."""

from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    PositiveInt,
    field_validator,
    model_validator,
)

from srft_assets.outcomes.grader_choice import GradingLimits
from srft_assets.project.settings import Prefix

LAB = "lab"
Environment = Literal["sandbox", "sdist", "docker", "podman", "apptainer", "modal"]
ENVIRONMENTS = get_args(Environment)
GRADERS = {"sandbox": "local", "sdist": "local"}
"""What grades where tasks were played; `swebench` for all others."""
OF_ROWS = {"step_limit": 250, "max_new_tokens": 4096}
"""Defaults for rows of a data set, as mini-swe-agent's own for SWE-bench."""
EMBEDDED = ("tasks", "task_seed", "step_limit", "max_new_tokens", "temperature", "attempts")
"""Settings that decide scores on generated tasks which the checkpoint plays in our process."""


class AgentSpec(BaseModel, extra="forbid"):
    """mini-swe-agent's settings, besides `step_limit` and `max_new_tokens`."""

    prompts: Literal["short", "plain", "swebench"] | None = None
    """`swebench`: mini-swe-agent's own, the default for rows that are served; `short`: ours, the
    default for all else; `plain`: ours, for models that know only Markdown."""
    protocol: Literal["text", "tools"] = "text"
    """One block of bash a turn, or tool calls; `tools` needs `serve`."""
    context: PositiveInt | None = None
    """Tokens of a chat; a longer one ends its run. By default what the model takes."""
    cost_limit: float = Field(default=0.0, ge=0)
    """USD of a run; 0 for no limit. It needs `serve.price`."""
    wall_seconds: int = Field(default=0, ge=0)
    """Seconds of a run, without those that answers take; 0 for no limit."""
    command_seconds: float = Field(default=60.0, gt=0)
    """Seconds of one command."""
    network: bool = False
    """Whether containers may reach the network; the sandbox never does."""
    workers: int = Field(default=4, ge=1, le=256)
    """Runs played at the same time; decides no score."""


def without_secret(url: str) -> str:
    """The URL. Raises ValueError for one with a user, password or query: settings are kept and
    shown, in Dagster's databases too."""
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.query:
        raise ValueError("state no user, password or query; api_key_env names the key")
    return url


Url = Annotated[str, AfterValidator(without_secret)]


class PriceSpec(BaseModel, extra="forbid"):
    """USD for a million tokens."""

    prompt: float = Field(ge=0)
    """Of what the model is sent."""
    answer: float = Field(ge=0)
    """Of what it says."""


class ServeSpec(BaseModel, extra="forbid"):
    """Where the checkpoint answers: a server that runs already, or a vLLM that is started for the
    evaluation and ends with it."""

    base_url: Url = ""
    """Of a server that serves the checkpoints already, up to `/v1`; empty: vLLM is started here."""
    name: str = Field(default="{arm}/{seed}", min_length=1)
    """As that server names the checkpoint; `{arm}` and `{seed}` stand for those."""
    api_key_env: str = ""
    """Variable of the environment that holds that server's key."""
    price: PriceSpec | None = None
    """Of that server."""
    timeout: float = Field(default=600.0, gt=0)
    """Seconds for one answer."""
    tensor_parallel_size: PositiveInt | None = None
    """GPUs of our vLLM that share each layer."""
    max_model_len: PositiveInt | None = None
    """Tokens of one call to our vLLM, prompt and answer together."""
    quantization: str | None = Field(default=None, pattern=r"^[^-\s]\S*$")
    """How our vLLM holds the weights, such as `fp8`."""
    dtype: str | None = Field(default=None, pattern=r"^[^-\s]\S*$")
    """What our vLLM computes in, such as `bfloat16`."""
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)
    """Share of each GPU's memory that our vLLM may take."""
    args: list[str] = Field(default_factory=list)
    """Further arguments of `vllm serve`, behind those of `SRFT_VLLM_ARGS`."""

    @field_validator("base_url")
    @classmethod
    def _is_a_url(cls, stated: str) -> str:
        if stated and urlsplit(stated).scheme not in ("http", "https"):
            raise ValueError("state a URL, such as http://localhost:8000/v1")
        return stated.rstrip("/")

    @model_validator(mode="after")
    def _one_server(self) -> Self:
        ours = {*OF_VLLM, "args"} & self.model_fields_set
        if self.base_url and ours:
            raise ValueError(
                f"{min(ours)} is for a vLLM that is started here, base_url names another server"
            )
        theirs = {"name", "api_key_env", "price"} & self.model_fields_set
        if not self.base_url and theirs:
            raise ValueError(f"{min(theirs)} is for a server that runs already: state its base_url")
        return self


OF_VLLM = (
    *("tensor_parallel_size", "max_model_len", "quantization", "dtype"),
    "gpu_memory_utilization",
)
"""Settings of `ServeSpec` that `serving.ServerSpec` takes under the same name."""
DECIDING = ("max_model_len", "quantization", "dtype", "args")
"""Settings of `ServeSpec` that decide answers."""


class EvaluationSpec(BaseModel, extra="forbid"):
    """Held-out tasks that a checkpoint is scored on; docs/lab.md says why the defaults are so."""

    tasks: int | str = 40
    """How many generated tasks (`lab`: the default), or rows in SWE-bench's schema: a file, a
    folder, `OWNER/NAME` on the Hugging Face hub."""
    task_seed: int = 90_001
    """What generated tasks are made from: never a seed of training tasks."""
    split: str = "test"
    """Of a data set."""
    instances: list[str] = Field(default_factory=list)
    """Of the rows these only, in this order."""
    where: str | None = None
    """Of the rows those for which this SQL condition on their columns holds."""
    first: PositiveInt | None = None
    """Of the rows that are left the first so many."""
    environment: Environment | None = None
    """Where tasks are played: generated ones, and rows that bear their `files`, in the `sandbox`;
    rows by default in the `docker` image that they name; see docs/rollouts.md."""
    grader: Literal["swebench", "local", "none"] | None = None
    """`swebench`: its harness, in Docker; `local`: the sandbox, the default of what is played
    there; `none`: runs are kept and not graded."""
    grading: GradingLimits = Field(default_factory=GradingLimits)
    """Bounds of grading."""
    agent: AgentSpec | None = None
    """What mini-swe-agent is told."""
    launch: Prefix = Field(default_factory=list)
    """Where the tasks are played: `local`, or a prefix, such as `srun -p gpu --gres gpu:1`."""
    serve: ServeSpec | None = None
    """Where the checkpoint answers; without it transformers loads it in this machine's memory."""
    step_limit: int = 16
    """Steps of an attempt, at most; 250 for rows of a data set."""
    max_new_tokens: int = 64
    """Tokens of a turn, at most; 4096 for rows of a data set."""
    temperature: float = Field(default=0.7, ge=0.0)
    """0 is greedy; otherwise sampled, seeded by seed and run."""
    attempts: PositiveInt = 1
    """Runs of each task; more than one needs a temperature, or they would all be the same."""
    again: int = Field(default=0, ge=0)
    """Raise it to try once more what the machine failed at; what came to its end stays. Not for
    generated tasks that are played without `serve` and `agent`."""

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_rows(cls, stated: Any) -> Any:
        if not isinstance(stated, dict):
            return stated
        if stated.get("tasks") == LAB:
            return {**stated, "tasks": cls.model_fields["tasks"].default}
        return {**OF_ROWS, **stated} if isinstance(stated.get("tasks"), str) else stated

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.attempts > 1 and self.temperature == 0:
            raise ValueError(
                f"{self.attempts} attempts at temperature 0 are all the same: state a temperature"
            )
        if not self.of_rows:
            rows_only = {"split", "instances", "where", "first"} & self.model_fields_set
            if rows_only:
                raise ValueError(f"{min(rows_only)} is for rows: tasks names a file or a data set")
            if self.environment not in (None, "sandbox"):
                raise ValueError(
                    f"generated tasks cannot be played in {self.environment}: tasks names the rows"
                )
            if self.grader not in (None, "local"):
                raise ValueError(f"generated tasks cannot be graded by {self.grader}")
        if self.where_played == "sandbox" and self.grader == "swebench":
            raise ValueError("swebench grades in Docker images: state another grader, or docker")
        bounds = self.grading.model_fields_set - {"workers"}
        if self.where_played == "sandbox" and bounds:
            raise ValueError(
                f"grading.{min(bounds)} has no effect in the sandbox: its own bounds hold"
            )
        if self.told.network and self.where_played in ("sandbox", "sdist", "modal"):
            raise ValueError(f"agent.network has no effect in {self.where_played}")
        if self.agent and self.agent.cost_limit and not (self.serve and self.serve.price):
            raise ValueError("agent.cost_limit needs serve.price, USD for a million tokens")
        if self.agent and self.agent.protocol == "tools" and not self.serve:
            raise ValueError("agent.protocol tools needs serve: a server that reads tool calls")
        limit = self.serve.max_model_len if self.serve else None
        if limit and self.agent and (self.agent.context or 0) > limit:
            raise ValueError(
                f"agent.context {self.agent.context} is over serve.max_model_len {limit}"
            )
        return self

    @property
    def of_rows(self) -> bool:
        """Whether the tasks are rows of a data set."""
        return isinstance(self.tasks, str)

    @property
    def embedded(self) -> bool:
        """Whether generated tasks are played by the checkpoint in a process of ours, and no more
        is stated."""
        return not self.of_rows and self.serve is None and self.agent is None

    @property
    def where_played(self) -> str:
        """The environment."""
        return self.environment or ("docker" if self.of_rows else "sandbox")

    @property
    def who_grades(self) -> str:
        """The grader."""
        return self.grader or GRADERS.get(self.where_played, "swebench")

    @property
    def prompts_told(self) -> str:
        """The prompts, with the default."""
        default = "swebench" if self.of_rows and self.serve else "short"
        return self.told.prompts or default

    @property
    def told(self) -> AgentSpec:
        """What mini-swe-agent is told, with the defaults."""
        return self.agent or AgentSpec()
