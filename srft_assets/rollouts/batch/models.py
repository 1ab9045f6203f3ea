"""The model of a batch, opened for as long as its runs are played."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from srft_assets.agent.play import Play
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.rollouts.batch import settings as stated
from srft_assets.rollouts.batch.endpoint import PROVIDER, Endpoint, EndpointModel, check_price
from srft_assets.rollouts.batch.prompts import reading_of
from srft_assets.rollouts.checkpoint import load_checkpoint
from srft_assets.serving.server import serve
from srft_assets.training.model import base_digest

NO_KEY = "srft-no-key"
"""For servers that want none; the client always does."""


class Models(Protocol):
    """Gives each play its model."""

    @property
    def secrets(self) -> Sequence[str]:
        """Texts that no run file may hold."""

    def waves(self, plays: Sequence[Play]) -> Iterator[Sequence[Play]]:
        """The plays in groups that begin together; one must be over before the next begins."""

    def model(self, play: Play) -> AbstractContextManager[Any]:
        """The model of a play, for as long as it is played."""


@dataclass(frozen=True, slots=True)
class EndpointModels:
    """Models that are asked over HTTP, each play for itself and at any time."""

    endpoint: Endpoint
    settings: stated.RolloutSettings

    @property
    def secrets(self) -> Sequence[str]:
        """The key."""
        key = self.endpoint.api_key
        return (key,) if key and key != NO_KEY else ()

    def waves(self, plays: Sequence[Play]) -> Iterator[Sequence[Play]]:
        """All at once."""
        yield plays

    def model(self, play: Play) -> AbstractContextManager[Any]:
        """A client of its own; attempts ask with seeds of their own."""
        seed = self.settings.seed + play.attempt
        return nullcontext(EndpointModel(self.endpoint, self.settings, seed))


@contextmanager
def opened(
    settings: stated.RolloutSettings, home: Home, log: Path, tell: Callable[[str], None]
) -> Iterator[Models]:
    """The model, ready to play; a server of ours ends with it. Raises SrftError."""
    model = settings.model
    if isinstance(model, stated.EndpointModel):
        endpoint = endpoint_of(model)
        if settings.cost_limit:
            check_price(endpoint)
        yield EndpointModels(endpoint, settings)
    elif isinstance(model, stated.ServedModel):
        if settings.cost_limit:
            raise SrftError("a model that vLLM serves here has no price: cost_limit must be 0")
        with serve(model.server, log, tell) as served:
            endpoint = Endpoint(
                model=f"{PROVIDER}/{model.name or served.models[0]}",
                base_url=served.base_url,
                api_key=served.api_key,
                protocol=model.protocol,
                timeout=model.timeout,
            )
            yield EndpointModels(endpoint, settings)
    else:
        yield local_models(model, settings, home)


def endpoint_of(model: stated.EndpointModel) -> Endpoint:
    """Where the model is asked. Raises SrftError where the variable of its key is not set."""
    key = os.environ.get(model.api_key_env) if model.api_key_env else None
    if model.api_key_env and not key:
        raise SrftError(f"the variable {model.api_key_env}, which shall hold the key, is not set")
    return Endpoint(
        model=f"{PROVIDER}/{model.name}" if model.base_url else model.name,
        base_url=model.base_url,
        api_key=key or (NO_KEY if model.base_url else None),
        protocol=model.protocol,
        price=model.price,
        timeout=model.timeout,
    )


def local_models(model: stated.LocalModel, settings: stated.RolloutSettings, home: Home) -> Models:
    """A checkpoint in this process.

    Raises SrftError where the folder is gone, or holds other weights than when it was registered.
    """
    from srft_assets.rollouts.generator import Generator
    from srft_assets.rollouts.model import LocalModels

    folder = home.root / model.path
    if not folder.is_dir():
        raise SrftError(f"the model {model.label} is gone: there is no folder {folder}")
    if base_digest(folder) != model.weights:
        raise SrftError(f"{folder} holds other weights than when the batch was registered")
    generator = Generator(
        load_checkpoint(folder), settings.max_new_tokens, settings.temperature, settings.seed
    )
    return LocalModels(
        generator,
        model.label,
        settings.workers,
        context=settings.context,
        reading=reading_of(settings),
    )
