"""mini-swe-agent's model protocol, answered by a checkpoint that many agents share."""

from typing import Any

from srft_assets.agent.text_model import TextModel
from srft_assets.rollouts.batcher import Batcher
from srft_assets.rollouts.generator import Prompt
from srft_assets.rollouts.prompt import prompt_ids
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Message

CONTEXT_LIMIT = "ContextLimit"
"""Exit status of a run whose chat outgrew the model's context."""


class SharedModel(TextModel):
    """One agent's door to the batcher; `player` is the name that the batcher knows it by."""

    def __init__(
        self, name: str, player: str, batcher: Batcher, tokenizer: ChatTokenizer, room: int
    ) -> None:
        """`room`: tokens that a prompt may take, what is left for the answer subtracted."""
        super().__init__(name)
        self._player = player
        self._batcher = batcher
        self._tokenizer = tokenizer
        self._room = room

    def reply(self, messages: list[Message]) -> tuple[str, dict[str, Any]]:
        """The next turn, with its token counts in `extra.tokens`.

        Raises minisweagent's InterruptAgentFlow, which ends the run with the exit status
        `ContextLimit`, where the chat does not fit.
        """
        ids = prompt_ids(messages, self._tokenizer)
        if len(ids) > self._room:
            raise context_limit(len(ids), self._room)
        answer = self._batcher.ask(self._player, Prompt(self._player, ids))
        counts = {"prompt": len(ids), "answer": len(answer.token_ids), "stopped": answer.stopped}
        return answer.text, {"tokens": counts}


def context_limit(tokens: int, room: int | None) -> Exception:
    """minisweagent's InterruptAgentFlow with the exit status `ContextLimit`."""
    from minisweagent.exceptions import InterruptAgentFlow

    extra = {"exit_status": CONTEXT_LIMIT, "submission": ""}
    told = f"{tokens} tokens" + ("" if room is None else f", {room} fit")
    return InterruptAgentFlow({"role": "exit", "content": told, "extra": extra})
