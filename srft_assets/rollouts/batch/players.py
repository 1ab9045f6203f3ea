"""Who gives each run of a batch its model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from srft_assets.rollouts.batch.endpoint import Endpoint, EndpointModel
from srft_assets.rollouts.batch.folder import Place
from srft_assets.rollouts.batch.settings import RolloutSettings

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
