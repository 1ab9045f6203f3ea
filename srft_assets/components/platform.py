"""The resources of every run: where the state lives, and what a stage is handed beside it."""

import logging
import os
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from datetime import UTC
from functools import partial
from typing import Any, TypeVar

import dagster as dg
from pydantic import Field, PrivateAttr, ValidationError

from srft_assets.critic.spending import AUTOMATION, NIGHTLY
from srft_assets.errors import SrftError, first_problem
from srft_assets.home import Home, current_home
from srft_assets.processes.launch import job_folder, launch_job, told_step
from srft_assets.project.settings import settings
from srft_assets.serving import MODEL, NAME, URL, ServerSpec
from srft_assets.serving.server import Served, SharedServer, Tell, serve
from srft_assets.serving.shared_server import shared_behind
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stage import Allowance, Progress, Work

T = TypeVar("T")

TEXTS = {"base_url": URL, "model": MODEL, "served_model_name": NAME}
UNCONFIGURED = (
    f"no server for the critic: set critic.url of srft.yaml, or {URL}, to the URL of an "
    "OpenAI-compatible API (up to /v1), "
    f"or {MODEL} to the model that vLLM shall serve"
)

BY = "srft/by"
"""Tag of a run: the schedule or sensor that asked for it."""
EVERY_SECONDS = 5.0
"""How often a run's log says how far it is."""

_shown: ContextVar[Progress | None] = ContextVar("progress", default=None)


class LogProgress:
    """Says how far it is every few seconds: a run page has no bars."""

    def __init__(self, log: logging.Logger) -> None:
        self.log = log
        self.spoke = time.monotonic()

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
        """Yield the items; log how many at most every `EVERY_SECONDS`."""
        for done, item in enumerate(items, start=1):
            yield item
            self.report(label, done, total or 0)

    def report(self, label: str, done: int, total: int, note: str = "") -> None:
        """Log `label: done/total note` at most every `EVERY_SECONDS`, and at the end."""
        if time.monotonic() - self.spoke > EVERY_SECONDS or done == total:
            self.spoke = time.monotonic()
            of = f"/{total}" if total else ""
            self.log.info("%s: %s%s %s", label, done, of, note)


@contextmanager
def shown_on(progress: Progress) -> Iterator[None]:
    """Show the progress of runs in this process on `progress` rather than in their logs."""
    token = _shown.set(progress)
    try:
        yield
    finally:
        _shown.reset(token)


def progress_of(log: logging.Logger) -> Progress:
    """Where a run of this process shows its progress."""
    return _shown.get() or LogProgress(log)


class PipesLaunch:
    """A `Launch` that hands the Dagster context to the work and takes its messages, by files of the
    home, which a node sees, too.

    Dagster's own subprocess client stops only the direct child; ours ends all that was started, so
    that no worker outlives the run.
    """

    def __init__(self, context: dg.AssetExecutionContext, progress: Progress) -> None:
        self.context = context
        self.progress = progress

    def __call__(
        self, argv: Sequence[str], env: Mapping[str, str], prefix: Sequence[str] = ()
    ) -> None:
        """Run and wait. Raises SrftError with the tail of the output."""
        home = current_home()
        if prefix:
            self.context.log.info(f"behind {shlex.join(prefix)}")
        with (
            job_folder(home.launches) as folder,
            dg.open_pipes_session(
                context=self.context,
                context_injector=dg.PipesFileContextInjector(str(folder / "context")),
                message_reader=dg.PipesFileMessageReader(str(folder / "messages")),
            ) as session,
        ):
            both = {**env, **session.get_bootstrap_env_vars()}
            launch_job(home, argv, both, prefix, folder, self._on_line)

    def _on_line(self, line: str) -> None:
        """A step moves the progress; anything else is a log line."""
        if step := told_step(line, self.context.asset_key.to_user_string()):
            self.progress.report(*step)
        else:
            self.context.log.debug(line)


class CriticServer(dg.ConfigurableResource):
    """An OpenAI-compatible server; ours is started at first use and ends with the run.

    Without `base_url`, the other fields are those of `ServerSpec`; None and empty leave a setting
    as it is there.
    """

    base_url: str = ""
    """Of a server that runs already, up to `/v1`; it goes before all else."""
    model: str = ""
    served_model_name: str | None = None
    tensor_parallel_size: int | None = None
    max_model_len: int | None = None
    enable_prefix_caching: bool | None = None
    quantization: str | None = None
    dtype: str | None = None
    gpu_memory_utilization: float | None = None
    lora_modules: dict[str, str] = Field(default_factory=dict)
    host: str | None = None
    port: int | None = None
    start_timeout: float | None = None
    stop_timeout: float | None = None
    extra_args: list[str] = Field(default_factory=list)
    command: list[str] = Field(default_factory=list)
    env: dict[str, str] = Field(default_factory=dict)

    _shared: SharedServer | None = PrivateAttr(default=None)

    @staticmethod
    def from_settings() -> "CriticServer":
        """As the project states it. What a variable states shows in the UI by its name alone."""
        now = settings()
        stated: dict[str, Any] = {
            "base_url": now.critic.url,
            "model": now.vllm.model,
            "served_model_name": now.vllm.name,
            "command": list(now.vllm.command),
            "extra_args": list(now.vllm.args),
        }
        told = {field: dg.EnvVar(name) for field, name in TEXTS.items() if os.environ.get(name)}
        return CriticServer(**{k: v for k, v in stated.items() if v is not None} | told)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Start nothing yet: the ledger may answer everything."""
        tell: Tell = context.log.info if context.log else print
        self._shared = SharedServer(partial(self._serve, context.run_id or "", tell))

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """End the server, if one was started."""
        if self._shared is not None:
            self._shared.close()

    def open(self) -> AbstractContextManager[Served]:
        """The server. Within a run all share one; elsewhere it ends on leaving.

        Raises SrftError where none is configured, or where it cannot be started.
        """
        return self._shared.open() if self._shared is not None else self._serve()

    def spec(self) -> ServerSpec:
        """What our own server serves. Raises SrftError for a setting that is not valid."""
        if not self.model:
            raise SrftError(UNCONFIGURED)
        fields = {name: getattr(self, name) for name in ServerSpec.model_fields}
        stated = {name: value for name, value in fields.items() if value not in (None, [], {})}
        try:
            return ServerSpec.model_validate(stated)
        except ValidationError as error:
            # The cause would hold the environment of the server, and Dagster keeps causes.
            raise SrftError(f"critic_server: {first_problem(error)}") from None

    @contextmanager
    def _serve(self, run_id: str = "", tell: Tell = lambda line: None) -> Iterator[Served]:
        if not self.base_url:
            log = current_home().logs / f"critic-server-{run_id or os.getpid()}.log"
            prefix, home = settings().vllm.launch, current_home()
            started = (
                shared_behind(prefix, self.spec(), home, tell)
                if prefix
                else serve(self.spec(), log, tell)
            )
            with started as served:
                yield served
        elif self.base_url.startswith(("http://", "https://")):
            yield Served(self.base_url.rstrip("/"))
        else:
            raise SrftError(f"critic_server: base_url ({URL}) does not begin with http(s)://")


@contextmanager
def critic_server() -> Iterator[CriticServer]:
    """The server of the project's settings, for who asks it outside of a run."""
    with dg.build_resources({"server": CriticServer.from_settings()}) as opened:
        yield opened.server


class Platform(dg.ConfigurableResource):
    """One platform's state: that of `SRFT_HOME`, else of the checkout."""

    force: bool = False
    """Make partitions again although they are in sync."""
    wait: bool = True
    """Wait for batches of a provider; else the run ends, and a later one goes on with them. Runs of
    `relabel_nightly` and `automation` never wait."""
    max_calls: int | None = None
    """Calls that critics may be paid for in this run."""
    max_usd: float | None = None
    """The same in USD, by `prices` of srft.yaml."""
    paid_since: str = ""
    """ISO 8601, UTC: what was paid for since then counts as this run's; by default its start."""
    critic_server: CriticServer
    """Serves the critics that state no `endpoint.base_url`; by default one of no server."""

    def __init__(self, **stated: Any) -> None:
        # Dagster ignores the default of a field that is a resource itself.
        super().__init__(**{"critic_server": CriticServer(), **stated})

    def home(self) -> Home:
        """The folders of this platform."""
        return current_home()

    def warehouse(self) -> Warehouse:
        """The Parquet partitions of this platform."""
        return Warehouse(self.home().warehouse)

    def work(self, context: dg.AssetExecutionContext, partition: str, recipe: Recipe) -> Work:
        """What a stage is handed to make one partition within a Dagster run."""
        progress, by = progress_of(context.log), context.run.tags.get(BY, "")
        return Work(
            home=self.home(),
            warehouse=self.warehouse(),
            partition=partition,
            recipe=recipe,
            run_id=context.run_id,
            progress=progress,
            launch=PipesLaunch(context, progress),
            log=context.log,
            serve=self.critic_server.open,
            started_by=by,
            allowance=self._allowance(context),
            wait=self.wait and by not in (NIGHTLY, AUTOMATION),
        )

    def _allowance(self, context: dg.AssetExecutionContext) -> Allowance | None:
        if self.max_calls is None and self.max_usd is None:
            return None
        whose, since = "the budget of this command", self.paid_since
        if not since:
            record = context.instance.get_run_record_by_id(context.run_id)
            assert record is not None
            whose = "the budget of this run (platform.max_… of its configuration)"
            since = record.create_timestamp.astimezone(UTC).isoformat(timespec="milliseconds")
        return Allowance(whose, since, max_calls=self.max_calls, max_usd=self.max_usd)
