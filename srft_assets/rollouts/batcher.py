"""A checkpoint that many agents share: each asks for itself, all are answered in batches.

Imports torch, so only a process that generates imports this module.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from srft_assets.agent.play import Play, context_limit
from srft_assets.agent.protocol import TextModel
from srft_assets.errors import SrftError
from srft_assets.rollouts.checkpoint import Checkpoint, prompt_ids
from srft_assets.rollouts.generator import Answer, Generator, Prompt
from srft_assets.trajectories.model import Message


class Batcher:
    """Lets agents in threads of their own share batches.

    A batch starts when every agent that still plays waits for an answer. So the batches are as
    large as they can be, and are the same in every repetition, whatever the threads' timing.
    """

    def __init__(
        self, answer: Callable[[Sequence[Prompt]], list[Answer]], players: Iterable[str]
    ) -> None:
        """`players` name the agents that will play; each must `leave` in the end."""
        self._answer = answer
        self._playing = set(players)
        self._waiting: dict[str, tuple[Prompt, Future[Answer]]] = {}
        self._changed = threading.Condition()
        self.worker = threading.Thread(target=self._work, name="batcher", daemon=True)
        self.worker.start()

    def ask(self, prompt: Prompt) -> Answer:
        """Wait for the answer to the agent of the prompt's name. Raises what generation raised."""
        future: Future[Answer] = Future()
        with self._changed:
            if prompt.name not in self._playing or prompt.name in self._waiting:
                raise SrftError(f"{prompt.name} does not play here, or asks twice at once")
            self._waiting[prompt.name] = (prompt, future)
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
            try:
                answers = self._answer([prompt for prompt, _ in asked])
            except Exception as error:  # noqa: BLE001 waiting threads must hear of it, or hang
                for _, future in asked:
                    future.set_exception(error)
                continue
            for (_, future), answer in zip(asked, answers, strict=True):
                future.set_result(answer)


class SharedModel(TextModel):
    """One agent's model; `player` is the name that the batcher knows it by."""

    def __init__(
        self, name: str, player: str, batcher: Batcher, checkpoint: Checkpoint, room: int
    ) -> None:
        """`room`: tokens that a prompt may take, what is left for the answer subtracted."""
        super().__init__(name)
        self._player = player
        self._batcher = batcher
        self._checkpoint = checkpoint
        self._room = room

    def reply(self, messages: list[Message]) -> tuple[str, dict[str, Any]]:
        """The next turn, with its token counts in `extra.tokens`.

        Raises minisweagent's InterruptAgentFlow, which ends the run with the exit status
        `ContextLimit`, where the chat does not fit.
        """
        ids = prompt_ids(messages, self._checkpoint.tokenizer)
        if len(ids) > self._room:
            raise context_limit(len(ids), self._room)
        answer = self._batcher.ask(Prompt(self._player, ids))
        counts = {"prompt": len(ids), "answer": len(answer.token_ids), "stopped": answer.stopped}
        return answer.text, {"tokens": counts}


class LocalModels:
    """The models of plays that share one checkpoint.

    Plays go in waves: those of a wave begin together, so that their batches are full.
    """

    secrets = ()

    def __init__(
        self,
        generator: Generator,
        label: str,
        together: int,
        *,
        context: int | None = None,
        reading: Mapping[str, Any] | None = None,
        name: Callable[[Play], str] = lambda play: play.name,
    ) -> None:
        """Ready to play.

        Args:
            label: as run files name the model.
            together: plays of a wave.
            context: tokens of a chat, where fewer than the checkpoint takes.
            reading: fields of `TextModelConfig` besides the name.
            name: of a play's random stream.
        """
        self._generator = generator
        self._label = label
        self._together = together
        limit = generator.checkpoint.context
        self._room = min(context or limit, limit) - generator.max_new_tokens
        self._reading = dict(reading or {})
        self._name = name
        self._batcher: Batcher | None = None

    def waves(self, plays: Sequence[Play]) -> Iterator[Sequence[Play]]:
        """The plays, wave by wave; one must be over before the next is asked for."""
        for start in range(0, len(plays), self._together):
            wave = plays[start : start + self._together]
            self._batcher = Batcher(self._generator.answer, map(self._name, wave))
            yield wave

    @contextmanager
    def model(self, play: Play) -> Iterator[SharedModel]:
        """The model of a play of this wave; afterwards the others no longer wait for it."""
        assert self._batcher is not None
        batcher, player = self._batcher, self._name(play)
        shared = SharedModel(self._label, player, batcher, self._generator.checkpoint, self._room)
        shared.config = shared.config.model_copy(update=self._reading)
        try:
            yield shared
        finally:
            self._generator.forget(player)
            batcher.leave(player)
