"""The model of a batch, opened for as long as its runs are played."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.rollouts.batch.endpoint import PROVIDER as OPENAI
from srft_assets.rollouts.batch.endpoint import Endpoint, check_price
from srft_assets.rollouts.batch.local import Batched, load
from srft_assets.rollouts.batch.players import NO_KEY, Asked, Players
from srft_assets.rollouts.batch.settings import EndpointModel, RolloutSettings, ServedModel
from srft_assets.serving.server import Tell, serve


@contextmanager
def opened(settings: RolloutSettings, home: Home, log: Path, tell: Tell) -> Iterator[Players]:
    """The model, ready to play; a server of ours ends with it. Raises SrftError."""
    model = settings.model
    if isinstance(model, EndpointModel):
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
        yield Batched(load(model, home), settings)


def endpoint_of(model: EndpointModel) -> Endpoint:
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
