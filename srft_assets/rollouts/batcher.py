"""Many agents ask, one worker answers them all together."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future

from srft_assets.errors import SrftError
from srft_assets.rollouts.generator import Answer, Prompt

Answering = Callable[[Sequence[Prompt]], list[Answer]]


class Batcher:
    """Lets agents in threads of their own share batches.

    A batch starts when every agent that still plays waits for an answer. So the batches are as
    large as they can be, and are the same in every repetition, whatever the threads' timing.
    """

    def __init__(self, answering: Answering, players: Iterable[str]) -> None:
        """`players` name the agents that will play; each must `leave` in the end."""
        self._answering = answering
        self._playing = set(players)
        self._waiting: dict[str, tuple[Prompt, Future[Answer]]] = {}
        self._changed = threading.Condition()
        self.worker = threading.Thread(target=self._work, name="batcher", daemon=True)
        self.batches = 0
        self.worker.start()

    def ask(self, player: str, prompt: Prompt) -> Answer:
        """Wait for the answer. Raises what the generation raised."""
        future: Future[Answer] = Future()
        with self._changed:
            if player not in self._playing or player in self._waiting:
                raise SrftError(f"{player} does not play here, or asks twice at once")
            self._waiting[player] = (prompt, future)
            self._changed.notify_all()
        return future.result()

    def leave(self, player: str) -> None:
        """The agent's run is over; the others no longer wait for it."""
        with self._changed:
            self._playing.discard(player)
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: len(self._waiting) == len(self._playing))
                if not self._playing:
                    return
                asked = [self._waiting[name] for name in sorted(self._waiting)]
                self._waiting.clear()
            self._answer(asked)

    def _answer(self, asked: list[tuple[Prompt, "Future[Answer]"]]) -> None:
        self.batches += 1
        try:
            answers = self._answering([prompt for prompt, _ in asked])
        except Exception as error:  # noqa: BLE001 each waiting thread must hear of it, or hang
            for _, future in asked:
                future.set_exception(error)
            return
        for (_, future), answer in zip(asked, answers, strict=True):
            future.set_result(answer)
