"""Answers of a local model to chats that grow, many at a time, going on from what it has read.

Imports torch, so only a process that generates imports this module.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from srft_assets.rollouts.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question to the model.

    Attributes:
        name: of the chat that it continues; the chat's answers are sampled from a random stream
            of its own.
        token_ids: the whole chat so far, rendered with the generation prompt.
    """

    name: str
    token_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said. `stopped` is False where it ran into the token limit."""

    text: str
    token_ids: tuple[int, ...]
    stopped: bool


@dataclass(frozen=True, slots=True)
class Past:
    """The first tokens of a chat as the model has read them.

    Attributes:
        layers: keys and values of each layer, two tensors of [heads, tokens, width].
    """

    token_ids: Sequence[int] = ()
    layers: Sequence[tuple[torch.Tensor, torch.Tensor]] = ()

    def shared(self, token_ids: Sequence[int]) -> int:
        """How many tokens a prompt begins with that are read already.

        Less than all of them: the last token must be read to tell the next one.
        """
        pairs = zip(self.token_ids, token_ids, strict=False)
        alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        return min(alike, len(token_ids) - 1)


class Generator:
    """Greedy decoding (temperature 0) or seeded sampling; rows of a batch are independent.

    Of the model's generation_config.json hold the repetition penalty and, where it samples, top_k,
    top_p and min_p, as where vLLM serves it. The temperature is the caller's.

    The keys and values of a chat are kept until `forget`, so that its next prompt is read only
    from where it differs from what was read before. Models whose cache cannot be cut back to a
    prefix (sliding windows, recurrent states) read each prompt whole.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> None:
        """`max_new_tokens` bounds one answer; `seed` decides all random streams."""
        self.checkpoint = checkpoint
        self.max_new_tokens = max_new_tokens
        self.temperature = temperature
        self.seed = seed
        self._pasts: dict[str, Past] = {}
        self._keeps = can_keep(checkpoint.model)
        self._penalty, self._bounds = processors_of(checkpoint.model.generation_config)

    def forget(self, name: str) -> None:
        """The chat is over: free its memory."""
        self._pasts.pop(name, None)

    @torch.inference_mode()
    def answer(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """The answers to one batch of prompts, in their order; names must be distinct."""
        chats = [list(prompt.token_ids) for prompt in prompts]
        batch = Batch(
            self.checkpoint.model,
            chats,
            [self._pasts.pop(prompt.name, Past()) for prompt in prompts],
            self._keeps,
            self.max_new_tokens,
        )
        noise = [self._noise(prompt) for prompt in prompts]
        room, device = [0] * self.max_new_tokens, self.checkpoint.model.device
        said = [torch.tensor([*chat, *room], device=device) for chat in chats]
        unfinished = set(range(len(prompts)))
        for _ in range(self.max_new_tokens):
            rows = [(said[chat][: len(chats[chat])], noise[chat]) for chat in batch.chats]
            chosen = self._choose(batch.logits(), *zip(*rows, strict=True))
            batch.append(chosen)
            for chat, token in zip(batch.chats, chosen.tolist(), strict=True):
                if chat in unfinished:
                    said[chat][len(chats[chat])] = token
                    chats[chat].append(token)
                    if token in self.checkpoint.stops:
                        unfinished.discard(chat)
            if not unfinished:
                break
            self._leave(batch, unfinished, prompts, chats)
        self._leave(batch, set(), prompts, chats)
        starts = [len(prompt.token_ids) for prompt in prompts]
        return [self._answer(chat[start:]) for chat, start in zip(chats, starts, strict=True)]

    def _leave(
        self,
        batch: "Batch",
        unfinished: set[int],
        prompts: Sequence[Prompt],
        chats: Sequence[Sequence[int]],
    ) -> None:
        """Take finished chats out of the batch, and keep what the model has read of them."""
        if not self._keeps:
            return
        finished = [row for row, chat in enumerate(batch.chats) if chat not in unfinished]
        for row in finished:
            chat = batch.chats[row]
            self._pasts[prompts[chat].name] = batch.past(row, chats[chat])
        if finished and unfinished:
            batch.select([row for row in range(len(batch.chats)) if row not in finished])

    def _answer(self, token_ids: Sequence[int]) -> Answer:
        """The answer without the stop token that ends it."""
        stopped = token_ids[-1] in self.checkpoint.stops
        said = tuple(token_ids[:-1] if stopped else token_ids)
        text = self.checkpoint.tokenizer.hf.decode(said, skip_special_tokens=False)
        return Answer(text, said, stopped)

    def _noise(self, prompt: Prompt) -> torch.Generator:
        """The prompt's own random stream: an answer is the same alone and in any batch."""
        text = f"{self.seed}/{prompt.name}/{len(prompt.token_ids)}"
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7])
        return torch.Generator().manual_seed(seed)

    def _choose(
        self,
        logits: torch.Tensor,
        chats: Sequence[torch.Tensor],
        noise: Sequence[torch.Generator],
    ) -> torch.Tensor:
        """Next token ids, [rows], for logits of [rows, vocabulary]; a chat is ids, [tokens].

        The argmax of logits plus Gumbel noise is a sample of their softmax.
        """
        if self._penalty is not None:
            rows = zip(chats, logits.split(1), strict=True)
            logits = torch.cat([self._penalty(ids[None], row.float()) for ids, row in rows])
        if self.temperature == 0:
            return logits.argmax(-1)
        size = logits.shape[1]
        gumbel = [-torch.empty(size).exponential_(generator=stream).log() for stream in noise]
        scores = self._bounds(None, logits.float() / self.temperature)
        return (scores + torch.stack(gumbel).to(logits.device)).argmax(-1)


def processors_of(stated: Any) -> tuple[RepetitionPenaltyLogitsProcessor | None, Any]:
    """The repetition penalty of a generation configuration, if any, and its bounds on sampling."""
    penalty = stated.repetition_penalty
    bounds = (
        (TopKLogitsWarper, stated.top_k, 0),
        (TopPLogitsWarper, stated.top_p, 1.0),
        (MinPLogitsWarper, stated.min_p, 0.0),
    )
    return (
        None if penalty in (None, 1.0) else RepetitionPenaltyLogitsProcessor(penalty),
        LogitsProcessorList(
            [kind(value) for kind, value, idle in bounds if value not in (None, idle)]
        ),
    )


class Batch:
    """Chats while they are answered.

    A row is columns of cache: padding, what was read before, padding, what is new, the answer.
    `mask` tells the columns that hold tokens; positions count only these, so that padding in the
    middle of a row changes nothing.
    """

    def __init__(
        self,
        model: Any,
        chats: Sequence[Sequence[int]],
        pasts: Sequence[Past],
        keeps: bool,
        max_new_tokens: int,
    ) -> None:
        """One row a chat; `chats` are token ids."""
        self.model = model
        self.chats = list(range(len(chats)))
        """Which chat each row holds."""
        read = [past.shared(ids) for past, ids in zip(pasts, chats, strict=True)]
        held = max(read)
        width = max(len(ids) - length for ids, length in zip(chats, read, strict=True))
        mask = torch.zeros(len(chats), held + width, dtype=torch.long)
        new = torch.zeros(len(chats), width, dtype=torch.long)
        for row, (ids, length) in enumerate(zip(chats, read, strict=True)):
            fresh = len(ids) - length
            mask[row, held - length : held] = 1
            mask[row, held + width - fresh :] = 1
            new[row, width - fresh :] = torch.tensor(ids[length:])
        self.mask, self.new = mask.to(model.device), new.to(model.device)
        plain = DynamicCache(config=model.config)
        room = held + width + max_new_tokens
        self.cache: Any = plain
        if keeps:
            layers = range(len(plain.layers))
            self.cache = Cache([RoomyLayer(pasts, read, layer, room) for layer in layers])

    def logits(self) -> torch.Tensor:
        """Of the token after each row's last one, [rows, vocabulary]; reads what is new."""
        positions = (self.mask.cumsum(1) - 1).clamp(min=0)[:, -self.new.shape[1] :]
        out = self.model(
            input_ids=self.new,
            attention_mask=self.mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = out.logits[:, -1]
        return logits

    def append(self, chosen: torch.Tensor) -> None:
        """One more token a row, [rows]."""
        self.new = chosen[:, None]
        self.mask = torch.cat([self.mask, torch.ones_like(self.new)], 1)

    def past(self, row: int, token_ids: Sequence[int]) -> Past:
        """What was read of a row whose chat is `token_ids` by now."""
        columns = self.mask[row, : self.cache.get_seq_length()].nonzero()[:, 0]
        layers = [
            (layer.keys[row].index_select(1, columns), layer.values[row].index_select(1, columns))
            for layer in self.cache.layers
        ]
        return Past(token_ids[: len(columns)], layers)

    def select(self, rows: Sequence[int]) -> None:
        """Go on with these rows only."""
        self.chats = [self.chats[row] for row in rows]
        indices = torch.tensor(rows, device=self.mask.device)
        self.mask, self.new = self.mask[indices], self.new[indices]
        self.cache.batch_select_indices(indices)


class RoomyLayer(DynamicLayer):
    """One layer's keys and values, [rows, heads, columns, width], with room for an answer.

    The layer of transformers copies all it holds for each new token: half the time of decoding
    with a small model.
    """

    def __init__(self, pasts: Sequence[Past], read: Sequence[int], layer: int, room: int) -> None:
        """Begin with the first `read` tokens of each past; `room` is in columns."""
        super().__init__()
        self._begin = [
            tuple(part[:, :length] for part in past.layers[layer]) if length else None
            for past, length in zip(pasts, read, strict=True)
        ]
        self._room = room
        self._whole: list[torch.Tensor] = []
        self._length = max(read)

    def get_seq_length(self) -> int:
        """Columns that are filled."""
        return self._length

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Make the tensors, now that their sizes are known; what was read ends in one column."""
        super().lazy_initialization(key_states, value_states)
        for part, states in enumerate((key_states, value_states)):
            rows, heads, _, width = states.shape
            whole = states.new_zeros(rows, heads, self._room, width)
            for row, begin in enumerate(self._begin):
                if begin is not None:
                    tokens = begin[part].shape[1]
                    whole[row, :, self._length - tokens : self._length] = begin[part]
            self._whole.append(whole)
        self._begin = []

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take in new columns; returns all columns, keys and values."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, self._length = self._length, self._length + key_states.shape[-2]
        for whole, states in zip(self._whole, (key_states, value_states), strict=True):
            whole[:, :, start : self._length] = states
        return self._show()

    def _show(self) -> tuple[torch.Tensor, torch.Tensor]:
        self.keys, self.values = (whole[:, :, : self._length] for whole in self._whole)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows only."""
        self._whole = [whole[indices] for whole in self._whole]
        self._show()


def can_keep(model: Any) -> bool:
    """Whether the model's cache is plain keys and values, one of each a token."""
    layers = DynamicCache(config=model.config).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)
