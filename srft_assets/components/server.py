"""The resource that gives critics a server: one that runs already, or one of the platform's own."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr, ValidationError

from srft_assets.errors import SrftError, first_problem
from srft_assets.home import Home, current_home
from srft_assets.serving.server import Served, SharedServer, Tell, serve
from srft_assets.serving.spec import ARGS, COMMAND, MODEL, NAME, URL, ServerSpec, words

TEXTS = {"base_url": URL, "model": MODEL, "served_model_name": NAME}
WORDS = {"command": COMMAND, "extra_args": ARGS}
UNCONFIGURED = (
    f"no server for the critic: set {URL} to the URL of an OpenAI-compatible API (up to /v1), "
    f"or {MODEL} to the model that vLLM shall serve"
)


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
    home_folder: str = ""
    """As in `Platform`; the server's log goes to its `logs`."""

    _shared: SharedServer | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Start nothing yet: the ledger may answer everything."""
        log = self._logs() / f"critic-server-{context.run_id or os.getpid()}.log"
        tell: Tell = context.log.info if context.log else print
        self._shared = SharedServer(partial(self._serve, log, tell))

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """End the server, if one was started."""
        if self._shared is not None:
            self._shared.close()

    def open(self) -> AbstractContextManager[Served]:
        """The server. Within a run all share one; elsewhere it ends on leaving.

        Raises SrftError where none is configured, or where it cannot be started.
        """
        if self._shared is not None:
            return self._shared.open()
        return self._serve(self._logs() / f"critic-server-{os.getpid()}.log")

    def spec(self) -> ServerSpec:
        """What our own server serves. Raises SrftError for a setting that is not valid."""
        if not self.model:
            raise SrftError(UNCONFIGURED)
        fields = {name: getattr(self, name) for name in ServerSpec.model_fields}
        stated = {name: value for name, value in fields.items() if value not in (None, [], {})}
        try:
            return ServerSpec.model_validate(stated)
        except ValidationError as error:
            raise SrftError(f"critic_server: {first_problem(error)}") from error

    @contextmanager
    def _serve(self, log: Path, tell: Tell = lambda line: None) -> Iterator[Served]:
        if not self.base_url:
            with serve(self.spec(), log, tell) as served:
                yield served
        elif self.base_url.startswith(("http://", "https://")):
            yield Served(self.base_url.rstrip("/"))
        else:
            raise SrftError(f"critic_server: base_url ({URL}) does not begin with http(s)://")

    def _logs(self) -> Path:
        home = Home(Path(self.home_folder)) if self.home_folder else current_home()
        return home.logs


def critic_server() -> CriticServer:
    """The resource as the environment states it; a variable that is unset or empty is left out."""
    stated: dict[str, Any] = {
        field: dg.EnvVar(name) for field, name in TEXTS.items() if os.environ.get(name)
    }
    stated |= {field: words(name) for field, name in WORDS.items()}
    return CriticServer(**stated)
