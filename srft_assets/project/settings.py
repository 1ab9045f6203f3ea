"""All settings of a project: from `srft.yaml`, then `.env`, then `SRFT_*`, then options."""

import os
import shlex
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from srft_assets.errors import SrftError
from srft_assets.project.folder import Project, current_project, load_env_file
from srft_assets.project.yaml_files import line_of_file, problems, reason_of

PREFIX = "SRFT_"
Place = tuple[str, ...]
"""Keys of a setting, outermost first."""

LOCAL = "local"


def _listed(stated: Any) -> Any:
    return [part for p in stated.split(",") if (part := p.strip())] if _is(stated) else stated


def _split(stated: Any) -> Any:
    try:
        return shlex.split(stated) if _is(stated) else stated
    except ValueError as error:
        raise ValueError(f"{error}: quote it as for a shell") from None


def _is(stated: Any) -> bool:
    return isinstance(stated, str)


def _url(stated: Any) -> Any:
    if _is(stated) and not stated.startswith(("http://", "https://")):
        raise ValueError("does not begin with http:// or https://")
    return stated


def _host_and_port(stated: Any) -> Any:
    host, _, port = str(stated).rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ValueError("is no HOST:PORT, such as localhost:25")
    return stated


Url = Annotated[str, BeforeValidator(_url)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""A list; in a variable comma-separated."""
Words = Annotated[tuple[str, ...], BeforeValidator(_split)]
"""Words of a command line; in a variable as a shell would split them."""


def _prefix(stated: Any) -> Any:
    words = _split(stated)
    return [] if words == [LOCAL] else words


Prefix = Annotated[list[str], BeforeValidator(_prefix)]
"""What comes before a command so that it runs elsewhere, as `Words`; `local`, or none: here."""


class Section(BaseModel):
    """Settings that belong together; a misspelt one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class CriticServer(Section):
    """Where critics ask that state no `endpoint.base_url`, and what all their lives may cost."""

    url: Url | None = None
    """URL of an OpenAI-compatible API, up to /v1. It goes before `vllm`."""
    model: str = "Qwen/Qwen3-32B"
    """What a critic asks for that states no `model`, as the server names it."""
    api_key_env: str = "OPENAI_API_KEY"
    """Variable of the key, for critics that state no `endpoint.api_key_env`. It may be unset."""
    batch: bool = False
    """Send requests to the provider's batch API, at half the price, for critics that state no
    `endpoint.batch`."""
    max_calls: PositiveInt | None = None
    """Calls that one critic may pay for in its life, over all runs."""
    max_tokens: PositiveInt | None = None
    """Tokens, prompt and answer, that one critic may pay for in its life."""
    max_usd: NonNegativeFloat | None = None
    """USD that one critic may cost in its life, by `prices`."""


class Vllm(Section):
    """The server that the platform starts where `critic.url` names none."""

    model: str | None = None
    """What vLLM shall serve: a folder or a Hub id."""
    name: str | None = None
    """As requests name that model; by default as `model` states it."""
    command: Words = ()
    """What comes before the model; by default `vllm serve`."""
    args: Words = ()
    """Further arguments of that command."""
    launch: Prefix = Field(default_factory=list)
    """Where it is started: `local`, or a prefix, such as `srun -p gpu --gres gpu:1`."""


class Price(Section):
    """Of one model, in USD for a million tokens."""

    input: NonNegativeFloat = 0.0
    output: NonNegativeFloat = 0.0
    batch: Annotated[float, Field(ge=0, le=1)] = 0.5
    """What a call in a batch of the provider costs, as a share of these."""


class Relabel(Section):
    """The schedule `relabel_nightly`: when it labels again, what, and for how much."""

    cron: str = "0 3 * * *"
    """When, as five fields of cron in UTC."""
    critics: Names | None = None
    """Only these; by default those whose verdicts exist, or that an arm needs."""
    batches: Names = ("*",)
    """Shell patterns of batches."""
    max_calls: PositiveInt | None = None
    """Calls of one day (UTC), over all its runs and critics."""
    max_tokens: PositiveInt | None = None
    """Tokens of one day, prompt and answer."""
    max_usd: NonNegativeFloat | None = None
    """USD of one day, by `prices`."""
    overdue_hours: PositiveInt | None = None
    """Hours after which verdicts that were neither made nor found in sync are overdue in the UI; by
    default never."""

    def looks_after(self, asset: str) -> bool:
        """Whether the asset holds verdicts that the schedule makes, given a reason."""
        kind, _, critic = asset.partition("/")
        return kind == "step_verdicts" and (self.critics is None or critic in self.critics)


class Automation(Section):
    """Assets that make themselves while `srft dev` runs, when what they are made from changes."""

    free: bool = False
    """Outcomes, verdicts of rules, masks and the comparison; never a training."""
    paid: bool = False
    """Verdicts that cost money, of the critics and batches of `relabel:`, within its budget of a
    day; without one, none."""


class Alerts(Section):
    """Who is told of failed runs and reached budgets."""

    webhook: SecretStr | None = None
    """URL that gets a POST of JSON."""
    command: Words = ()
    """Command that gets the same JSON on its standard input."""
    email: Names = ()
    """Addresses."""
    smtp: Annotated[str, BeforeValidator(_host_and_port)] = "localhost:25"
    """HOST:PORT that takes the mail."""


class Launch(Section):
    """Where heavy work runs: `local`, or behind a prefix that runs a command elsewhere and waits
    for it, such as `srun -p gpu --gres gpu:8` (docs/cluster.md); and how trainings start. For arms
    that do not state it themselves."""

    training: Prefix = Field(default_factory=list)
    """Trainings; before the launcher."""
    evaluation: Prefix = Field(default_factory=list)
    """Held-out tasks that a checkpoint plays."""
    rollouts: Prefix = Field(default_factory=list)
    """Batches of `srft rollout`."""
    grading: Prefix = Field(default_factory=list)
    """SWE-bench's harness: the node has a Docker daemon."""
    launcher: Literal["python", "torchrun", "accelerate"] = "python"
    """What starts the processes."""
    processes: PositiveInt = 1
    """Processes on each machine."""
    launcher_args: Words = ()
    """Further arguments of the launcher."""


class Ray(Section):
    """The cluster on which `engine: ray` makes partitions (docs/cluster.md)."""

    address: str = "auto"
    """Of its head, HOST:PORT; `auto`: that of this machine."""
    cpus: Annotated[float, Field(gt=0)] = 1.0
    """Cores of a partition of runs, rules or masks."""
    training: dict[str, NonNegativeFloat] = Field(default_factory=dict)
    """What a training needs of a node, as `{GPU: 8, CPU: 16}`; without it, trainings start from
    here, by `launch`."""
    evaluation: dict[str, NonNegativeFloat] = Field(default_factory=dict)
    """Likewise an evaluation."""


class Training(Section):
    """How arms train that do not state it themselves."""

    max_length: Annotated[int, Field(ge=2)] = 4096
    """Tokens of a row, at most; what the base model can read."""
    too_long: Literal["refuse", "cut", "drop", "windows"] = "refuse"
    """What becomes of a run longer than that; see docs/arms.md."""
    max_steps: PositiveInt = 120
    """Optimizer steps of a training, unless `epochs` is stated."""
    epochs: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """How often each row is trained on, in place of `max_steps`."""
    method: Literal["full", "lora", "qlora"] = "full"
    """All weights, an adapter, or an adapter of a base in 4 bits."""
    batch_size: PositiveInt = 4
    """Rows of one optimizer step."""
    learning_rate: float = 1e-3
    """Its peak."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further arguments, as docs/training.md lists them; an arm's own stand in their place."""

    @model_validator(mode="after")
    def _ends_by_one_setting(self) -> Self:
        if self.epochs is not None and "max_steps" in self.model_fields_set:
            raise ValueError("max_steps and epochs exclude each other: state one of them")
        return self


class Estimates(Section):
    """What `srft plan` tells GPU hours from."""

    tflops: PositiveFloat = 989.0
    """10^12 operations a second of one GPU; by default an H100 SXM in bfloat16, dense."""
    utilisation: Annotated[float, Field(gt=0, le=1)] = 0.4
    """Share of these that training does for the model, recomputation not counted."""
    served_tokens: PositiveFloat | None = None
    """Tokens a second that one GPU which serves a checkpoint reads and writes, as vLLM's log tells
    it; without it the GPU hours of rollouts are unknown."""


class Ui(Section):
    """The UI that `srft dev` opens."""

    token: SecretStr | None = None
    """What a browser must know that asks for another name of this host; else one is made."""
    origins: Names = ()
    """Further origins whose pages are ours, for a proxy that sets Host."""
    read_only: bool = False
    """A UI that starts and changes nothing."""


class View(Section):
    """The pages of `srft view`."""

    port: Annotated[int, Field(ge=1, lt=2**16)] = 3333
    """Where they listen, and where links from the UI lead."""


class Settings(BaseSettings):
    """Every setting, with type and default."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="_",
        env_nested_max_split=1,
        env_ignore_empty=True,
        enable_decoding=False,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    home: str | None = None
    """Folder of all state, relative to the project; by default the project itself."""
    database: str | None = None
    """SQLAlchemy URL of what processes share: a SQLite file, by default `srft.db` in `home`, or
    PostgreSQL for several machines; see docs/cluster.md."""
    base_model: str = "tiny"
    """What arms train that state no `model`: `tiny`, a local folder, or a Hub id."""
    batches: Names | None = None
    """Shell patterns of the batches that arms train on which state no `training.batches`; by
    default docs/arms.md says which."""
    critic: CriticServer = CriticServer()
    vllm: Vllm = Vllm()
    prices: dict[str, Price] = Field(default_factory=dict)
    """Model → USD for a million tokens, as `gpt-5: {input: 1.25, output: 10}`."""
    relabel: Relabel = Relabel()
    automation: Automation = Automation()
    alerts: Alerts = Alerts()
    training: Training = Training()
    launch: Launch = Launch()
    jobs: PositiveInt = 1
    """Partitions of an asset that a run makes side by side, in processes of their own: runs read,
    rules, masks, and what `launch` takes elsewhere."""
    engine: Literal["local", "ray"] = "local"
    """What makes them: processes of this machine, or tasks of the cluster that `ray` names."""
    ray: Ray = Ray()
    evaluation: dict[str, Any] | None = None
    """How arms are scored that state no `evaluation`: its settings, as docs/arms.md lists them."""
    costs: Estimates = Estimates()
    ui: Ui = Ui()
    view: View = View()
    weak_tests: str | None = None
    """File of instance ids, one a line, relative to the project: tasks whose tests are known to
    accept wrong patches. Their runs are marked in the view `leaks`."""
    git_host: Url | None = None
    """Where local grading fetches repositories; by default it takes releases of PyPI."""
    logs: PositiveInt = 200
    """Logs of commands that stay in `logs/` of `home`, the newest."""
    unsafe: bool = False
    """Run commands of models without a sandbox."""
    debug: bool = False
    """Show tracebacks."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, then what the file states, which comes as arguments."""
        environment = EnvSettingsSource(settings_cls)
        # A variable that only looks like one of a section is somebody else's: SRFT_CRITIC_KEY.
        known = {variable_of(path).lower() for path, _ in fields()}
        found = {name: value for name, value in environment.env_vars.items() if name in known}
        environment.env_vars = found
        return environment, init_settings


def fields(
    model: type[BaseModel] = Settings, above: Place = ()
) -> Iterator[tuple[Place, FieldInfo]]:
    """Every setting by its path of keys: `("critic", "url")`."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from fields(kind, (*above, name))
        else:
            yield (*above, name), field


def variable_of(path: Place) -> str:
    """The variable of a setting: `SRFT_CRITIC_URL`."""
    return PREFIX + "_".join(path).upper()


def is_secret(field: FieldInfo) -> bool:
    """Whether it may be stated in the environment only, and is never shown."""
    return "SecretStr" in str(field.annotation)


def settings() -> Settings:
    """What holds now. Raises SrftError that names file and line, or the variable, of each setting
    that is wrong."""
    load_env_file()
    project = current_project()
    stated = project.stated()
    if secret := next((path for path, f in fields() if is_secret(f) and at(stated, path)), None):
        line = line_of_file(project.file, secret)
        raise SrftError(
            f"{project.file}:{line}: {'.'.join(secret)} is a secret: state {variable_of(secret)} "
            "in the environment or in .env"
        )
    try:
        return Settings(**stated)
    except ValidationError as error:
        raise SrftError("; ".join(_told(project, error))) from None


def _told(project: Project, error: ValidationError) -> Iterator[str]:
    by_file = iter(problems(project.file, Settings, error)) if project.file.is_file() else None
    for one in error.errors():
        line = next(by_file) if by_file else ""
        variable = variable_of(tuple(str(part) for part in one["loc"][:2]))
        stated = variable if os.environ.get(variable) else ""
        yield f"{stated}: {reason_of(one, Settings)}" if stated else line


def at(values: Any, path: Place) -> Any:
    """The value at a path of nested mappings or sections; None where there is none."""
    for key in path:
        values = values.get(key) if isinstance(values, dict) else getattr(values, key, None)
    return values
