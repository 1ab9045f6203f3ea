"""A masked run as the chat it was made from, with what is trained said by message."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from srft_assets.exports.errors import UnfitError
from srft_assets.exports.source import Masked
from srft_assets.tokens.messages import REASONING, text_of
from srft_assets.tokens.row import RunRefusedError, Span
from srft_assets.trajectories.model import Message


@dataclass(frozen=True, slots=True)
class Conversation:
    """A run, as a rule up to its last step.

    Attributes:
        messages: as recorded.
        tools: schemas of the tools offered.
        turns: place of each step's message → its span.
    """

    trajectory_id: str
    instance_id: str
    status: str
    batch: str
    messages: list[Message]
    tools: list[dict[str, Any]] | None
    turns: Mapping[int, Span]

    def told(self) -> Iterator[tuple[int, Message, Span | None]]:
        """Each message with its place, and its span where it is a step's."""
        for place, message in enumerate(self.messages):
            yield place, message, self.turns.get(place)


def weight_of(span: Span) -> float:
    """Loss weight: 0 where it is masked."""
    if not span.trained:
        return 0.0
    return 1.0 if span.weight is None else span.weight


def conversation_of(masked: Masked, *, whole: bool = False) -> Conversation:
    """The rows of a run as one chat, up to its last step, or `whole` where no step was cut off.

    Windows are joined again: each step is trained in one of them only. Where the end of a run was
    cut off, so are its messages. Raises UnfitError where a step in the middle has no tokens.
    """
    if masked.run is None:
        raise ValueError("the chat was not read")
    run, row = masked.run, masked.rows[0]
    spans = {span.step_index: span for one in masked.rows for span in one.spans}
    last = max(spans, default=-1)
    steps = [step for step in run.steps if step.step_index <= last]
    lost = next((step.step_index for step in steps if step.step_index not in spans), None)
    if lost is not None or not steps:
        raise UnfitError("a step has no tokens", f"step {lost}")
    turns = {step.message_index: spans[step.step_index] for step in steps}
    whole = whole and len(steps) == len(run.steps)
    messages = run.messages if whole else run.messages[: max(turns) + 1]
    ids = (row.trajectory_id, row.instance_id, row.status, masked.batch)
    return Conversation(*ids, messages, run.tools, turns)


def plain_text(place: int, message: Message) -> str:
    """The content of a message as text. Raises UnfitError where it holds anything else."""
    try:
        return text_of(message.get("content"), f"message {place}")
    except RunRefusedError as error:
        raise UnfitError("a message holds what is not text", str(error)) from None


def thinking(message: Message) -> str | None:
    """The model's thinking, where it was recorded apart from the content."""
    found = next((message[key] for key in REASONING if message.get(key)), None)
    return None if found is None else str(found)
