"""A checkpoint that the runs of a batch share, with keys and values kept from turn to turn."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.rollouts.batch.folder import Place
from srft_assets.rollouts.batch.prompting import reading_of
from srft_assets.rollouts.batch.settings import LocalModel, RolloutSettings
from srft_assets.rollouts.batcher import Batcher
from srft_assets.rollouts.checkpoint import Checkpoint, load_checkpoint
from srft_assets.rollouts.generator import Generator
from srft_assets.rollouts.model import SharedModel
from srft_assets.training.model import base_digest


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


def weights_of(folder: Path) -> str:
    """Digest of a checkpoint's weights, adapters included."""
    return base_digest(folder)


def load(model: LocalModel, home: Home) -> Checkpoint:
    """Raises SrftError where the folder is gone, or holds other weights by now."""
    folder = home.root / model.path
    if not folder.is_dir():
        raise SrftError(f"the model {model.label} is gone: there is no folder {folder}")
    if weights_of(folder) != model.weights:
        raise SrftError(f"{folder} holds other weights than when the batch was registered")
    return load_checkpoint(folder)
