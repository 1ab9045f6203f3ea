"""The model of a batch, opened for as long as its runs are played."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.rollouts.batch.endpoint import PROVIDER as OPENAI
from srft_assets.rollouts.batch.endpoint import Endpoint, EndpointModel, check_price
from srft_assets.rollouts.batch.folder import Place
from srft_assets.rollouts.batch.prompting import reading_of
from srft_assets.rollouts.batch.settings import EndpointModel as EndpointSettings
from srft_assets.rollouts.batch.settings import LocalModel, RolloutSettings, ServedModel
from srft_assets.rollouts.batcher import Batcher
from srft_assets.rollouts.checkpoint import Checkpoint, load_checkpoint
from srft_assets.rollouts.generator import Generator
from srft_assets.rollouts.model import SharedModel
from srft_assets.serving.server import Tell, serve
from srft_assets.training.model import base_digest
from srft_assets.trajectories.reads import uncollected

NO_KEY = "srft-no-key"
"""For servers that want none; the client always does."""


class Players(Protocol):
    """Gives each run its model."""

    @property
    def together(self) -> int:
        """How many runs must begin at the same time; 0: any at any time."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that no run file may hold."""

    def wave(self, places: Sequence[Place]) -> Callable[[Place], Any]:
        """Models for runs that begin now, by place."""

    def leave(self, place: Place) -> None:
        """The run is over."""


@dataclass
class Asked:
    """Runs whose models are asked over HTTP, each for itself."""

    endpoint: Endpoint
    settings: RolloutSettings
    together: int = 0

    @property
    def secrets(self) -> tuple[str, ...]:
        """The key."""
        key = self.endpoint.api_key
        return (key,) if key and key != NO_KEY else ()

    def wave(self, places: Sequence[Place]) -> Callable[[Place], Any]:
        """A client each; the attempts ask with seeds of their own."""
        return lambda place: EndpointModel(
            self.endpoint, self.settings, self.settings.seed + place.attempt
        )

    def leave(self, place: Place) -> None:
        """Nothing is held."""


class Batched:
    """Runs that share one checkpoint, and batches of all that play."""

    secrets: tuple[str, ...] = ()

    def __init__(self, checkpoint: Checkpoint, settings: RolloutSettings) -> None:
        self.together = settings.workers
        self._checkpoint = checkpoint
        self._settings = settings
        self._generator: Generator | None = None
        self._batcher: Batcher | None = None

    def wave(self, places: Sequence[Place]) -> Callable[[Place], Any]:
        """Doors to one batcher; keys and values are kept from turn to turn."""
        stated = self._settings
        generator = Generator(
            self._checkpoint,
            stated.max_new_tokens,
            stated.temperature,
            stated.seed,
            stated.workers,
            reuse=True,
        )
        batcher = Batcher(generator.answer, [place.name for place in places])
        self._generator, self._batcher = generator, batcher
        context = min(stated.context or self._checkpoint.context, self._checkpoint.context)
        room = context - stated.max_new_tokens
        assert isinstance(stated.model, LocalModel)
        label = stated.model.label

        def model(place: Place) -> SharedModel:
            shared = SharedModel(label, place.name, batcher, self._checkpoint.tokenizer, room)
            shared.config = shared.config.model_copy(update=reading_of(stated))
            return shared

        return model

    def leave(self, place: Place) -> None:
        """The others no longer wait for it."""
        if self._generator is not None and self._batcher is not None:
            self._generator.kept.forget(place.name)
            self._batcher.leave(place.name)


@contextmanager
def opened(settings: RolloutSettings, home: Home, log: Path, tell: Tell) -> Iterator[Players]:
    """The model, ready to play; a server of ours ends with it. Raises SrftError."""
    model = settings.model
    if isinstance(model, EndpointSettings):
        endpoint = endpoint_of(model)
        if settings.cost_limit:
            check_price(endpoint)
        yield Asked(endpoint, settings)
    elif isinstance(model, ServedModel):
        if settings.cost_limit:
            raise SrftError("a model that vLLM serves here has no price: cost_limit must be 0")
        with serve(model.server, log, tell) as served:
            name = model.name or served.models[0]
            yield Asked(
                Endpoint(
                    model=f"{OPENAI}/{name}",
                    base_url=served.base_url,
                    api_key=served.api_key,
                    protocol=model.protocol,
                    timeout=model.timeout,
                ),
                settings,
            )
    else:
        yield Batched(_load(model, home), settings)


def endpoint_of(model: EndpointSettings) -> Endpoint:
    """Where the model is asked. Raises SrftError where the variable of its key is not set."""
    key = os.environ.get(model.api_key_env) if model.api_key_env else None
    if model.api_key_env and not key:
        raise SrftError(f"the variable {model.api_key_env}, which shall hold the key, is not set")
    return Endpoint(
        model=f"{OPENAI}/{model.name}" if model.base_url else model.name,
        base_url=model.base_url,
        api_key=key or (NO_KEY if model.base_url else None),
        protocol=model.protocol,
        price=model.price,
        timeout=model.timeout,
    )


def weights_of(folder: Path) -> str:
    """Digest of a checkpoint's weights, adapters included."""
    return base_digest(folder)


def _load(model: LocalModel, home: Home) -> Checkpoint:
    folder = home.root / model.path
    if not folder.is_dir():
        raise SrftError(f"the model {model.label} is gone: there is no folder {folder}")
    if weights_of(folder) != model.weights:
        raise SrftError(f"{folder} holds other weights than when the batch was registered")
    with uncollected():
        return load_checkpoint(folder)
