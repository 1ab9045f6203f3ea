"""Playing what a batch lacks: side by side, each run whole on disk before it counts."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srft_assets.agent.mini import prepare_mini
from srft_assets.agent.play import play_in
from srft_assets.agent.readable import readable
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.rollouts.batch.environments import environment_of
from srft_assets.rollouts.batch.folder import Place, is_finished, played_path
from srft_assets.rollouts.batch.players import Players
from srft_assets.rollouts.batch.prompting import told_of
from srft_assets.rollouts.batch.settings import RolloutSettings

MANY = 3
"""So many crashes, and no run that came to its end, are no accident."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that is over; `crash` says why where it did not come to its own end."""

    place: Place
    crash: str = ""


@dataclass(frozen=True, slots=True)
class Playing:
    """One batch while it is played.

    Attributes:
        out: folder of the run files.
        unsafe: whether machines without a sandbox may do.
    """

    home: Home
    batch: str
    settings: RolloutSettings
    players: Players
    out: Path
    unsafe: bool = False

    def play(self, places: Sequence[Place], report: Callable[[Ended], None]) -> None:
        """Play the places. A crash is kept as a run, and told; the others go on.

        Raises SrftError where runs crash and none comes to its end: a server that is down, a
        wrong key.
        """
        prepare_mini()
        crashed = finished = 0
        for ended in self._all(places):
            crashed += bool(ended.crash)
            finished += not ended.crash
            report(ended)
            if not finished and crashed >= max(MANY, self.settings.workers):
                raise SrftError(
                    f"batch {self.batch}: {crashed} runs crashed and none came to its end; "
                    f"the last one: {ended.crash}"
                )

    def _all(self, places: Sequence[Place]) -> Iterator[Ended]:
        size = self.players.together or max(1, len(places))
        for start in range(0, len(places), size):
            wave = places[start : start + size]
            model_of = self.players.wave(wave)
            pool = ThreadPoolExecutor(self.settings.workers, thread_name_prefix="rollout")
            try:
                runs = [pool.submit(self._one, place, model_of) for place in wave]
                for done in as_completed(runs):
                    yield done.result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _one(self, place: Place, model_of: Callable[[Place], Any]) -> Ended:
        try:
            self._play(place, model_of)
        except Exception as error:  # noqa: BLE001 whatever ended this run, the others go on
            told = readable(" ".join(f"{type(error).__name__}: {error}".split()))
            for secret in self.players.secrets:
                told = told.replace(secret, "***")
            return Ended(place, told[:500])
        finally:
            self.players.leave(place)
        return Ended(place)

    def _play(self, place: Place, model_of: Callable[[Place], Any]) -> None:
        task, settings = place.task, self.settings
        target = played_path(self.out, place)
        with environment_of(task, settings, self.home, self.batch, self.unsafe) as played:
            told = told_of(settings, played.hint)
            play_in(played.environment, task, model_of(place), target, told, self.players.secrets)


def missing(out: Path, places: Sequence[Place]) -> list[Place]:
    """Places without a run that came to its own end."""
    return [place for place in places if not is_finished(played_path(out, place))]
